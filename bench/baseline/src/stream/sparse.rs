//! A long stream that is made in no time: every file is a hole but the last, which says what is in front of it, and is
//! empty as after a crash. Opening looks at no other one; what releases files does, and finds each begun and reserved if it
//! was asked for.

use std::fs::{self, File};
use std::io::{Error, Result};
use std::os::unix::fs::FileExt;
use std::path::Path;

use pstream_core::format::StreamId;
use pstream_core::format::batch::BatchHeader;
use pstream_core::format::block_header::{BlockHeader, Crossing};
use pstream_core::format::file_batch::{FileBatch, Stamp};
use pstream_core::stream::layout::Layout;
use pstream_core::{BlockFile, CreateOptions, OsIo, Shape};

use super::NAME;

const SHIFT: u32 = 16;
/// 2020-01-01, in ms.
const TIME_MS: u64 = 1_577_836_800_000;

/// Makes a stream of so many files, each of so many bytes; where they are `reserved`, all of them begin as the last does.
pub(crate) fn craft(folder: &Path, files: u16, file_size: u64, reserved: bool) -> Result<()> {
    fs::create_dir_all(folder)?;
    let id = StreamId::new(0x6265_6e63_6865_7321).ok_or_else(|| Error::other("a stream id is not zero"))?;
    let shape = Shape::new(file_size >> SHIFT, SHIFT).map_err(Error::other)?;
    let layout = Layout::new(shape);
    let path = |index: u16| folder.join(format!("{NAME}.{index:04x}-{SHIFT}"));
    for index in 1..=files {
        if reserved {
            BlockFile::create(&OsIo, &path(index), shape, CreateOptions::default()).map_err(Error::other)?;
        } else {
            File::create_new(path(index))?.set_len(file_size)?;
        }
        if !reserved && index < files {
            continue;
        }
        let before = u64::from(index) - 1;
        let start = FileBatch {
            id,
            index,
            block_shift: SHIFT,
            block_count: shape.block_count(),
            position: before * layout.capacity(),
            seq: before * 1000,
            before: 1,
        };
        let file = File::options().write(true).open(path(index))?;
        write(&file, layout, start)?;
        file.sync_all()?;
    }
    File::open(folder)?.sync_all()
}

fn write(file: &File, layout: Layout, start: FileBatch) -> Result<()> {
    let stamp = Stamp { time_ms: TIME_MS, epoch: 1 };
    let block = BlockHeader {
        position: start.position,
        seq: start.seq,
        time_ms: TIME_MS,
        crossing: Crossing::None,
        epoch: stamp.epoch,
    };
    let [first, second] = start.headers(stamp, layout.second_copy());
    file.write_all_at(&block.encode(start.id), 0)?;
    file.write_all_at(&copy(&first, &start), layout.file_offset(0))?;
    file.write_all_at(&copy(&second, &start), layout.file_offset(layout.second_copy()))
}

fn copy(header: &BatchHeader, start: &FileBatch) -> Vec<u8> {
    let mut bytes = header.encode(start.id).to_vec();
    bytes.extend_from_slice(&start.payload());
    bytes
}
