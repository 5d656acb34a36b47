//! From file to file.

use std::ops::Range;

use super::chain::{Damage, Met, Walk};
use super::snapshot::{Place, Snapshot};
use crate::error::{Error, ErrorKind, Result};

/// A place in a stream, between two batches.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) snapshot: Snapshot,
    pub(super) number: usize,
    pub(super) walk: Walk,
    /// The file behind, kept open, so that it can be read though it is released meanwhile.
    next: Option<Place>,
    /// Files that cannot be read, which are next: the first one, and the seqs that are gone with them.
    lost: Option<(usize, Range<u64>)>,
}

impl Track {
    /// `behind`: the file behind that of the walk. `lost`: files in front of it cannot be read.
    pub(super) fn new(snapshot: Snapshot, number: usize, walk: Walk, next: Option<Place>, lost: bool) -> Self {
        let lost = lost.then(|| (0, 0..walk.part.segment.seq()));
        Self { snapshot, number, walk, next, lost }
    }

    /// The next batch, or damage; stays in front of it until told to go on.
    pub(super) fn next(&mut self) -> Result<Met> {
        loop {
            if let Some((number, seqs)) = self.lost.clone() {
                let before = Some(&*self.walk.part.segment).filter(|_| number > self.number);
                let error = self.snapshot.why_lost(number, before)?.at_seqs(seqs.clone());
                return Ok(Met::Damage(Damage { error, seqs, resume: None, whole_files: true }));
            }
            match self.walk.next()? {
                Met::End => {
                    if let Some(met) = self.cross()? {
                        return Ok(met);
                    }
                }
                Met::Damage(damage) if !self.snapshot.is_durable(self.position()) => {
                    let message =
                        format!("records from {} on, written and not yet durable, are lost", damage.seqs.start);
                    return Err(
                        Error::new(ErrorKind::SyncFailed, message).at_path(self.walk.part.segment.file().path())
                    );
                }
                met => return Ok(met),
            }
        }
    }

    /// Goes on behind damage.
    pub(super) fn go_on(&mut self, seq: u64, resume: Option<(u64, Option<u32>)>, whole_files: bool) {
        if !whole_files {
            self.walk.go_on(seq, resume);
            return;
        }
        let in_front = self.lost.take().is_some_and(|(number, _)| number <= self.number);
        if in_front {
            return;
        }
        self.walk.seq = self.walk.seq.max(seq);
        // They are behind us.
        let behind = self.next.as_ref().map_or(self.snapshot.files().len(), |next| next.number);
        self.number = self.number.max(behind.saturating_sub(1));
    }

    /// Seq of the next record, if that is not hurt.
    pub(super) fn seq(&self) -> u64 {
        self.lost.as_ref().map_or(self.walk.seq, |(_, seqs)| seqs.start)
    }

    pub(super) fn position(&self) -> u64 {
        self.walk.part.segment.position_of(self.walk.at)
    }

    /// Behind the last batch of a file.
    fn cross(&mut self) -> Result<Option<Met>> {
        let behind = self.number.saturating_add(1);
        match &self.next {
            Some(next) if next.number == behind => self.enter(next.clone()).map(|()| Some(Met::File)),
            None if behind >= self.snapshot.files().len() => Ok(Some(Met::End)),
            _ => {
                self.lost = Some((behind, self.walk.seq..self.walk.part.bound));
                Ok(None)
            }
        }
    }

    fn enter(&mut self, place: Place) -> Result<()> {
        let number = place.number;
        let (part, next) = self.snapshot.part(place)?;
        (self.number, self.next) = (number, next);
        self.walk.enter(part);
        Ok(())
    }

    /// Goes on to the end of a later snapshot. `seq`: of the next record that is wanted. False if the file was released
    /// that the walk is in, and it was put at the beginning of another.
    pub(super) fn renew(&mut self, snapshot: Snapshot, seq: u64) -> Result<bool> {
        if snapshot.generation() <= self.snapshot.generation() {
            if snapshot.end() < self.snapshot.end() {
                return Ok(true);
            }
        } else if self.position() > snapshot.kept_since(&self.snapshot) {
            let message = "records that were read, written and not yet durable, may be lost";
            return Err(Error::new(ErrorKind::SyncFailed, message).at_path(self.walk.part.segment.file().path()));
        }
        let index = self.walk.part.segment.batch().index;
        let files = snapshot.files();
        // They are dense, but where salvage has gone past a missing one.
        let guess = files.first().map_or(0, |first| usize::from(index.wrapping_sub(first.index())));
        let is_ours = |number: &usize| files.get(*number).is_some_and(|slot| slot.index() == index);
        let number = Some(guess).filter(is_ours).or_else(|| (0..files.len()).find(is_ours));
        if let Some(number) = number {
            let segment = std::sync::Arc::clone(&self.walk.part.segment);
            let (part, next) = snapshot.part(Place { number, segment })?;
            (self.number, self.walk.part, self.next, self.snapshot) = (number, part, next, snapshot);
            return Ok(true);
        }
        // Its file was released. That does no harm if all of it was read before.
        snapshot.check_not_trimmed(seq)?;
        let (place, _) = snapshot.place_where(|head| head.start.seq <= seq)?;
        (self.snapshot, self.lost) = (snapshot, None);
        self.enter(place)?;
        Ok(false)
    }
}
