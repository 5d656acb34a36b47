//! A whole file in memory: what an open reads of the one file in use.

use std::io::IoSliceMut;
use std::ops::Range;

use super::layout::{BLOCK_HEADER, Layout};
use super::short;
use crate::error::Result;
use crate::file::{BlockFile, Shape};
use crate::format::batch;
use crate::format::block_header;

/// The headers of the blocks and the data behind them, each in one piece. What was never written is not read: it is
/// zeros that take no memory until somebody looks at them.
#[derive(Debug)]
pub(super) struct Image {
    layout: Layout,
    headers: Vec<u8>,
    data: Vec<u8>,
    /// The blocks that were read.
    read: Vec<Range<u64>>,
}

impl Image {
    /// Reads the file.
    pub(super) fn read(file: &BlockFile, layout: Layout) -> Result<Self> {
        let shape = file.shape();
        let headers = vec![0; short(BLOCK_HEADER.saturating_mul(shape.block_count()))];
        let mut image = Self { layout, headers, data: vec![0; short(layout.capacity())], read: Vec::new() };
        let mut at = 0;
        while let Some(run) = file.next_data(at)? {
            let blocks = run.start >> shape.block_shift()..run.end.div_ceil(shape.block_size());
            image.read_blocks(file, &blocks)?;
            at = blocks.end << shape.block_shift();
            image.read.push(blocks);
            if at >= shape.size() {
                break;
            }
        }
        Ok(image)
    }

    /// Of a file of this shape that is in memory, as far as it goes.
    pub(super) fn of_bytes(bytes: &[u8], shape: Shape) -> Self {
        let layout = Layout::new(shape);
        let (mut headers, mut data) = (Vec::new(), Vec::new());
        for block in bytes.chunks(short(shape.block_size())) {
            let (header, rest) = block.split_at(block.len().min(block_header::LEN));
            headers.extend_from_slice(header);
            data.extend_from_slice(rest);
        }
        headers.resize(short(BLOCK_HEADER.saturating_mul(shape.block_count())), 0);
        data.resize(short(layout.capacity()), 0);
        let all = 0..shape.block_count();
        Self { layout, headers, data, read: Vec::from([all]) }
    }

    fn read_blocks(&mut self, file: &BlockFile, blocks: &Range<u64>) -> Result<()> {
        let headers = self.headers.chunks_mut(block_header::LEN);
        let data = self.data.chunks_mut(short(self.layout.block_data()));
        let count = short(blocks.end.saturating_sub(blocks.start));
        let pairs = headers.zip(data).skip(short(blocks.start)).take(count);
        let mut buffers: Vec<IoSliceMut<'_>> =
            pairs.flat_map(|(header, data)| [IoSliceMut::new(header), IoSliceMut::new(data)]).collect();
        file.read_at(blocks.start << file.shape().block_shift(), &mut buffers)
    }

    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    /// The header of a block.
    pub(super) fn block_header(&self, block: u64) -> Option<&[u8; block_header::LEN]> {
        self.headers.get(short(block.saturating_mul(BLOCK_HEADER))..)?.first_chunk()
    }

    /// The 64 bytes at offset `at` of the data.
    pub(super) fn header(&self, at: u64) -> Option<&[u8; batch::HEADER_LEN]> {
        self.data.get(short(at)..)?.first_chunk()
    }

    /// Data bytes.
    pub(super) fn bytes(&self, range: &Range<u64>) -> Option<&[u8]> {
        self.data.get(short(range.start)..short(range.end))
    }

    /// The parts of the data at or behind `at` that are not known to be zeros.
    pub(super) fn written(&self, at: u64) -> impl DoubleEndedIterator<Item = Range<u64>> {
        let data = |blocks: &Range<u64>| self.layout.start_of(blocks.start)..self.layout.start_of(blocks.end);
        self.read.iter().map(data).filter(move |range| range.end > at).map(move |range| range.start.max(at)..range.end)
    }

    /// The end of the last bytes at or behind `at` that are not zeros, with the headers of the blocks that begin there.
    pub(super) fn end_of_content(&self, at: u64) -> Option<u64> {
        let by_data = self.written(at).rev().find_map(|range| {
            let bytes = self.bytes(&range)?;
            let last = bytes.iter().rposition(|byte| *byte != 0)?;
            Some(range.start.saturating_add(super::long(last)).saturating_add(1))
        });
        // A header alone counts as the first byte of its block.
        let first_block = self.layout.block_of(at.saturating_add(self.layout.block_data()).saturating_sub(1)).0;
        let blocks = self.read.iter().rev().flat_map(|blocks| blocks.clone().rev());
        let by_header = blocks.filter(|block| *block >= first_block).find_map(|block| {
            let header = self.block_header(block)?;
            header.iter().any(|byte| *byte != 0).then(|| self.layout.start_of(block).saturating_add(1))
        });
        by_data.max(by_header)
    }

    /// The bytes of the file that the data `range` takes, with the headers of the blocks that begin in it, in order.
    pub(super) fn pieces(&self, range: &Range<u64>) -> Vec<&[u8]> {
        let mut pieces = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let (block, within) = self.layout.block_of(at);
            if within == 0 {
                pieces.extend(self.block_header(block).map(<[u8; block_header::LEN]>::as_slice));
            }
            let end = self.layout.start_of(block.saturating_add(1)).min(range.end);
            pieces.extend(self.bytes(&(at..end)));
            at = end;
        }
        pieces
    }
}
