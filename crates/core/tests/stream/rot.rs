//! Damage to what lies on a disk, and what the rest of it still proves.

use std::ops::Range;

use pstream_core::Shape;
use pstream_core::stream::layout::Layout;
use pstream_sim::SimDisk;

use crate::harness::DIR;
use crate::reader::{Batch, Contents, index_of, names};

/// A part of a file.
#[derive(Clone, Debug)]
pub struct Place {
    pub name: String,
    pub range: Range<u64>,
}

impl Place {
    pub fn new(name: &str, range: Range<u64>) -> Self {
        Self { name: name.to_owned(), range }
    }

    fn hurts(&self, file: u16, range: &Range<u64>) -> bool {
        let here = index_of(&self.name).is_some_and(|(index, _)| index == file);
        here && range.start < self.range.end && self.range.start < range.end
    }
}

/// All files with what is on the disk of them.
pub fn files(disk: &SimDisk) -> Vec<(String, Vec<u8>)> {
    let read = |name: String| {
        let bytes = disk.disk_bytes(format!("{DIR}/{name}"), 0..u64::MAX).unwrap();
        (name, bytes)
    };
    names(disk).into_iter().map(read).collect()
}

/// Seqs in front of this one are covered by what the damage leaves alone: by a batch that says that they were durable, or
/// by a file that entered use behind them, one of whose two copies says so.
pub fn proven(whole: &Contents, places: &[Place]) -> u64 {
    let unhurt = |index: u16, range: &Range<u64>| !places.iter().any(|place| place.hurts(index, range));
    let layout = |index: u16| {
        let file = whole.files.iter().find(|file| file.index == index)?;
        Some(Layout::new(Shape::new(file.block_count, file.block_shift).ok()?))
    };
    let header = |batch: &&Batch| {
        layout(batch.file).is_none_or(|layout| unhurt(batch.file, &layout.file_range(&(batch.at..batch.at + 64))))
    };
    let durable = whole.batches.iter().filter(header).map(|batch| batch.header.durable_upto);
    let entered = whole.files.iter().filter(|file| {
        let copies = |layout: Layout| [0, layout.second_copy()].map(|at| layout.file_range(&(at..at + 104)));
        layout(file.index).is_some_and(|layout| copies(layout).iter().any(|copy| unhurt(file.index, copy)))
    });
    let upto = durable.chain(entered.map(|file| file.position)).max().unwrap_or_default();
    let covered = whole.batches.iter().filter(|batch| batch.header.position + batch.header.total_len() <= upto);
    covered.map(|batch| batch.header.next_seq()).max().unwrap_or_default()
}

/// Rule 11: behind the sector in which the stream ends there are zeros, on the disk itself unless the cache stays.
pub fn zeros_behind(disk: &SimDisk, whole: &Contents, stays: bool) -> Result<(), String> {
    let Some(file) = whole.files.last() else { return Ok(()) };
    let layout = Layout::new(Shape::new(file.block_count, file.block_shift).map_err(|error| error.to_string())?);
    let last = whole.batches.last().filter(|batch| batch.file == file.index);
    let end = last.map_or(layout.first_batch(), |batch| batch.at + batch.header.total_len());
    // The header of a block that begins right there is one of them.
    let own = layout.next_own(end);
    let from = layout.file_range(&(own..own + 1)).start;
    let name = names(disk).into_iter().find(|name| index_of(name).is_some_and(|(index, _)| index == file.index));
    let name = name.ok_or("the last file has no name")?;
    let path = format!("{DIR}/{name}");
    let bytes = if stays { disk.cached_bytes(path, from..u64::MAX) } else { disk.disk_bytes(path, from..u64::MAX) };
    let bytes = bytes.map_err(|error| error.to_string())?;
    match bytes.iter().position(|byte| *byte != 0) {
        None => Ok(()),
        Some(at) => Err(format!("{name} ends at {from}, but there is something at {}", from + at as u64)),
    }
}
