//! Up to where the last file of a stream proves that it was durable, for who only reads it: by the page cache, which may show
//! batches that are not. What they say of those in front of them is true all the same.

use super::head::Head;
use super::image::Image;
use super::layout::Layout;
use super::options::Mode;
use super::recover::examine;
use super::tail::Chain;
use super::writer::Mark;
use crate::error::{ErrorKind, Result};
use crate::file::BlockFile;
use crate::format::Decoded;

/// The end of what is proven in the file, if that is behind its file batch.
///
/// # Errors
///
/// `PSTREAM_CORRUPT` for damage in front of it, unless that is to be gone past; those of reading.
pub(super) fn proven(file: &BlockFile, head: &Head, mode: Mode) -> Result<Option<Mark>> {
    match look(file, head) {
        Err(error) if mode == Mode::Salvage && matches!(error.kind(), ErrorKind::Corrupt(_)) => {
            let image = Image::read(file, Layout::new(file.shape()))?;
            let chain = Chain::new(&image, head);
            let tail = chain.tail(head, file.shape().block_count());
            let behind = chain.headers_behind(tail.at).map(|header| header.durable_upto).max();
            Ok(chain.place_at(head, tail.durable_upto.max(behind.unwrap_or(0))))
        }
        done => done,
    }
}

fn look(file: &BlockFile, head: &Head) -> Result<Option<Mark>> {
    // A writer may go on while the file is read, front to back: what is behind is newer then than what is in front, and
    // looks like what speaks against it.
    const ATTEMPTS: u32 = 4;
    let mut attempt = 1_u32;
    loop {
        match examine(file, head) {
            Ok((image, tail)) => return Ok(Chain::new(&image, head).place_at(head, tail.durable_upto)),
            Err(error) if attempt < ATTEMPTS && matches!(error.kind(), ErrorKind::Corrupt(_)) => {
                attempt = attempt.saturating_add(1);
                drop(file.evict(&(0..file.shape().size())));
            }
            Err(error) => return Err(error),
        }
    }
}

impl Chain<'_> {
    /// The place at this position, which is behind a batch that others follow.
    fn place_at(&self, head: &Head, position: u64) -> Option<Mark> {
        let layout = self.image.layout();
        let at = position.checked_sub(self.base).filter(|at| *at >= layout.first_batch())?;
        let here = [at, layout.next_own(at)].into_iter().find_map(|at| match self.header_at(at) {
            Decoded::Valid(header) => Some(header.seq),
            _ => None,
        });
        // What is right behind it may be damaged.
        let seq = here.or_else(|| {
            let mut headers = self.headers_behind(layout.first_batch());
            headers
                .find(|header| header.position.saturating_add(header.total_len()) == position)
                .map(|it| it.next_seq())
        });
        let last = || self.headers_behind(at).next().map(|header| header.seq);
        Some(Mark { position, seq: seq.or_else(last).unwrap_or(head.start.seq) })
    }
}
