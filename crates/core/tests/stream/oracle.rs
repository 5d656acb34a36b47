//! What a stream may hold after whatever happened, kept beside it in memory.

use crate::harness::NAME;
use crate::reader::{Contents, read};
use pstream_core::stream::{PendingKind, Previous, Recovery};
use pstream_sim::SimDisk;

/// Records that were handed over at once.
#[derive(Clone, Debug)]
pub struct Handed {
    pub kind: PendingKind,
    pub records: Vec<Vec<u8>>,
}

/// What was promised, and what may be there beyond that.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    /// Durable, or found by an open: neither may ever change.
    pub sure: Vec<Vec<u8>>,
    /// Handed over behind that, in order; of each any number of records from the first on may be there, all or none of
    /// those that belong together, and nothing behind one that is missing.
    pub maybe: Vec<Handed>,
    /// So many of the first of those were acknowledged at the level `written`.
    pub written: usize,
    /// No power cut and no failed sync since: what was written is there.
    pub cache_lost: bool,
    /// A call of the open has failed: perhaps the one that would have read the first record's seq.
    pub faulty: bool,
    /// Seqs below this were released, or may have been.
    pub released: u64,
}

impl Oracle {
    pub fn next_seq(&self) -> u64 {
        (self.sure.len() + self.maybe.iter().map(|handed| handed.records.len()).sum::<usize>()) as u64
    }

    /// A sync has returned: all that was written is durable.
    pub fn promote(&mut self) {
        for handed in std::mem::take(&mut self.maybe) {
            self.sure.extend(handed.records);
        }
        self.written = 0;
    }

    /// The log says that everything in front of `seq` is durable.
    pub fn durable(&mut self, seq: u64) {
        while self.sure.len() < seq as usize {
            let missing = seq as usize - self.sure.len();
            let handed = self.maybe.first_mut().expect("no more is durable than was handed over");
            if handed.records.len() <= missing {
                self.sure.append(&mut self.maybe.remove(0).records);
                self.written = self.written.saturating_sub(1);
            } else {
                assert_eq!(handed.kind, PendingKind::Records, "half of what belongs together is called durable");
                self.sure.extend(handed.records.drain(..missing));
            }
        }
    }

    pub fn acknowledged(&mut self, handed: Handed, durable: bool) {
        self.maybe.push(handed);
        if durable {
            self.promote();
        } else {
            self.written = self.maybe.len();
        }
    }

    /// A commit of which nothing is known.
    pub fn unknown(&mut self, handed: Handed) {
        self.maybe.push(handed);
    }

    /// Compares with what is there after an open, and takes that for sure from then on.
    pub fn check(&mut self, disk: &SimDisk, recovery: &Recovery) -> Result<Contents, String> {
        let contents = read(disk)?;
        let records = contents.records();
        let start = contents.start as usize;
        if contents.start > self.released {
            return Err(format!("oldest is {start}, but only {} was released", self.released));
        }
        let end = start + records.len();
        if recovery.next_seq != end as u64 {
            return Err(format!("next seq is said to be {}, the records end at {end}", recovery.next_seq));
        }
        let unread = recovery.oldest_seq.is_none() && self.faulty;
        if recovery.oldest_seq != Some(contents.start) && !unread {
            return Err(format!("oldest seq is said to be {:?}, it is {start}", recovery.oldest_seq));
        }
        if recovery.previous == Previous::New && !self.sure.is_empty() {
            return Err("P1: the stream is said to be new".to_owned());
        }
        let known = self.sure.get(start..).unwrap_or_default();
        if records.len() < known.len() {
            return Err(format!("P1: seqs {end}..{} are lost", self.sure.len()));
        }
        if let Some(wrong) = known.iter().zip(&records).position(|(one, other)| one != other) {
            return Err(format!("P1: wrong record at seq {}", start + wrong));
        }
        let times: Vec<u64> = contents.batches.iter().map(|batch| batch.header.time_ms).collect();
        if !times.is_sorted() {
            return Err(format!("time goes back: {times:?}"));
        }
        let kept = self.allowed(&records[known.len()..])?;
        if !self.cache_lost && kept < self.written {
            return Err(format!("written records were lost without a power cut: {kept} of {} there", self.written));
        }
        let extra = records[known.len()..].to_vec();
        self.sure.extend(extra);
        self.maybe.clear();
        self.written = 0;
        self.cache_lost = false;
        self.released = self.released.min(contents.start);
        no_strangers(disk)?;
        Ok(contents)
    }

    /// Whether a stream that ends at this seq breaks off in front of records that belong together and are not known to be
    /// durable.
    pub fn ends_in_together(&self, next_seq: u64) -> bool {
        let mut left = (next_seq as usize).saturating_sub(self.sure.len());
        for handed in &self.maybe {
            if handed.records.len() > left {
                return handed.kind == PendingKind::Together;
            }
            left -= handed.records.len();
        }
        false
    }

    /// How many of the commits of which nothing is sure are there as a whole.
    fn allowed(&self, mut extra: &[Vec<u8>]) -> Result<usize, String> {
        for (number, handed) in self.maybe.iter().enumerate() {
            let there = handed.records.iter().zip(extra).take_while(|(one, other)| one == other).count();
            if there == handed.records.len() {
                extra = &extra[there..];
                continue;
            }
            if there > 0 && handed.kind == PendingKind::Together {
                return Err(format!("P3: {there} of {} records that belong together", handed.records.len()));
            }
            if there < extra.len() {
                return Err(format!(
                    "P3: a vanished record came back, or one from nowhere: {:?}",
                    short(&extra[there])
                ));
            }
            return Ok(number);
        }
        match extra.first() {
            None => Ok(self.maybe.len()),
            Some(record) => Err(format!("P3: a record from nowhere: {:?}", short(record))),
        }
    }
}

fn no_strangers(disk: &SimDisk) -> Result<(), String> {
    match disk.names("/d").unwrap().iter().find(|name| !name.starts_with(NAME)) {
        Some(name) => Err(format!("{name} was left in the folder")),
        None => Ok(()),
    }
}

fn short(record: &[u8]) -> String {
    String::from_utf8_lossy(&record[..record.len().min(20)]).into_owned()
}
