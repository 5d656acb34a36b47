//! Arbitrary bytes as the files of a stream.

use pstream_core::format::StreamId;
use pstream_core::stream::LogOptions;

use crate::forge;
use crate::input::Input;
use crate::oracle::{DIR, NAME, disk, exercise};

/// Where the id of the stream lies in a file: behind the header of the first block and that of the first batch.
const ID_AT: usize = 48 + 64;

/// The first bytes say how many files there are, how they are named, and whether checksums are made right; the rest is
/// cut into so many pieces.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let setup = input.u8();
    let first_index = [1, 1, 1, 2, 0xffff, 0][usize::from(input.u8() % 6)];
    let count = usize::from(setup % 3) + 1;
    let (sealed, aligned, odd) = (setup & 0x10 != 0, setup & 0x20 != 0, setup & 0x40 != 0);
    let disk = disk();
    let piece = input.0.len().div_ceil(count).max(1);
    for (number, bytes) in input.0.chunks(piece).enumerate() {
        let mut bytes = bytes.to_vec();
        if !odd {
            bytes.resize(bytes.len().next_multiple_of(4096).max(4 * 4096), 0);
        }
        if sealed {
            seal(&mut bytes);
        }
        let index = u16::wrapping_add(first_index, number as u16);
        disk.install(format!("{DIR}/{NAME}.{index:04x}-12"), &bytes).unwrap();
    }
    let mut options = LogOptions::new(NAME);
    options.block_size = 4096;
    options.file_size = 8 * 4096;
    options.first_file_size = Some(8 * 4096);
    options.aligned = aligned;
    exercise(&disk, &options, None);
}

/// Makes all checksums right, with the id that the file batch has.
fn seal(bytes: &mut [u8]) {
    let id = bytes.get(ID_AT..ID_AT + 8).and_then(|id| StreamId::new(u64::from_le_bytes(id.try_into().unwrap())));
    let Some(id) = id else { return };
    for at in forge::headers(bytes) {
        forge::seal_at(bytes, at, id, true);
    }
}
