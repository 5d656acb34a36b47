//! A stream that was begun long ago: its first file has any index, so that the indexes wrap before long.

use pstream_core::Shape;
use pstream_core::format::StreamId;
use pstream_core::format::block_header::{BlockHeader, Crossing};
use pstream_core::format::file_batch::{FileBatch, Stamp};
use pstream_core::stream::LogOptions;
use pstream_core::stream::layout::Layout;
use pstream_sim::SimDisk;

use crate::harness::{DIR, NAME};

/// Puts the only file of a stream of no records on the disk.
pub fn install(disk: &SimDisk, options: &LogOptions, index: u16) {
    let block_shift = options.block_size.trailing_zeros();
    let size = options.first_file_size.unwrap_or(options.file_size);
    let block_count = size >> block_shift;
    let layout = Layout::new(Shape::new(block_count, block_shift).unwrap());
    let id = StreamId::new(0x1234_5678_9abc).unwrap();
    let start = FileBatch { id, index, block_shift, block_count, position: 0, seq: 0, before: 0 };
    let stamp = Stamp { time_ms: 1_000_000, epoch: 1 };
    let mut bytes = vec![0; size as usize];
    let mut put = |at: u64, part: &[u8]| bytes[at as usize..at as usize + part.len()].copy_from_slice(part);
    for (header, at) in start.headers(stamp, layout.second_copy()).iter().zip([0, layout.second_copy()]) {
        if layout.block_of(at).1 == 0 {
            let head = BlockHeader { position: at, seq: 0, time_ms: stamp.time_ms, crossing: Crossing::None, epoch: 1 };
            put(layout.file_range(&(at..at + 1)).start, &head.encode(id));
        }
        let header = [&header.encode(id)[..], &start.payload()].concat();
        put(layout.file_offset(at), &header);
    }
    disk.install(format!("{DIR}/{NAME}.{index:04x}-{block_shift}"), &bytes).unwrap();
}
