//! One sector goes bad: never a wrong record, and nothing that a watermark, a seal or a later commit covers vanishes
//! without a word (P4).

use pstream_core::ErrorKind;
use pstream_core::stream::{Log, LogOptions, Mode};
use pstream_sim::{Rng, SimDisk};

use super::world::World;
use crate::harness::{DIR, open_with, record, rest};
use crate::reader::{Contents, index_of, names, read};
use crate::rot::{Place, files, proven};

impl World {
    /// Opens the stream, goes on a little without faults, ends in some way, and damages one sector.
    pub fn rot(&mut self, rng: &mut Rng) -> Result<(), String> {
        self.open(rng)?;
        let mut log = self.log.take().ok_or("does not open")?;
        let unexpected = |error: pstream_core::Error| format!("before the rot: {error}");
        for _ in 0..rng.below(5) {
            match self.commit(&mut log, rng) {
                Err(error) if *error.kind() != ErrorKind::Capacity => return Err(unexpected(error)),
                _ => {}
            }
            match rng.below(6) {
                0 => self.flush(&mut log).map_err(unexpected)?,
                1 => log.watermark().map(|_| self.all_covered()).map_err(unexpected)?,
                2 => log.prepare_next().map(drop).map_err(unexpected)?,
                _ => {}
            }
        }
        if rng.chance(1, 2) {
            log.close().map_err(unexpected)?;
            self.all_covered();
        }
        drop(log);
        rest(&self.disk);
        let whole = read(&self.disk)?;
        let Some(sector) = choose(&self.disk, &whole, rng) else { return Ok(()) };
        self.covered = self.covered.max(proven(&whole, std::slice::from_ref(&sector)));
        damage(&self.disk, &sector, rng);
        let bytes = self.disk.disk_bytes(format!("{DIR}/{}", sector.name), sector.range.clone()).unwrap();
        // Rule 4.
        let must_refuse =
            !is_in_use(&whole, &sector.name) && sector.range.start >= 8192 && bytes.iter().any(|byte| *byte != 0);
        self.open_damaged(&whole, must_refuse)
            .map_err(|error| format!("{} at {:?}: {error}", sector.name, sector.range))
    }

    fn open_damaged(&mut self, whole: &Contents, must_refuse: bool) -> Result<(), String> {
        let strict = LogOptions { recovery: Mode::Strict, ..self.options.clone() };
        let before = files(&self.disk);
        match open_with(&self.disk.io(), &strict) {
            Ok((mut log, recovery)) => {
                if must_refuse {
                    return Err("a prepared file that is not all zeros was taken for one".to_owned());
                }
                let end = whole.start + whole.records().len() as u64;
                if recovery.next_seq < self.covered {
                    return Err(format!("P4: of {end} records those from {} on are gone", recovery.next_seq));
                }
                self.seen.event(if recovery.next_seq < end { "rot: undecidable" } else { "rot: harmless" });
                all_right(&log, whole)?;
                append(&mut log)
            }
            Err(error) => {
                self.seen.event("rot: found");
                if !matches!(error.kind(), ErrorKind::Corrupt(_) | ErrorKind::Unsupported) {
                    return Err(format!("not an answer: {error} ({error:?})"));
                }
                self.disk.settle();
                if files(&self.disk) != before {
                    return Err("an open that answers CORRUPT has written to a file".to_owned());
                }
                if *error.kind() == ErrorKind::Unsupported { Ok(()) } else { self.salvage(whole, &before) }
            }
        }
    }

    fn salvage(&mut self, whole: &Contents, before: &[(String, Vec<u8>)]) -> Result<(), String> {
        let options = LogOptions { recovery: Mode::Salvage, ..self.options.clone() };
        let (mut log, recovery) =
            open_with(&self.disk.io(), &options).map_err(|error| format!("is not salvaged: {error}"))?;
        if recovery.next_seq < self.covered {
            return Err(format!("salvaged at seq {}, though {} are proven", recovery.next_seq, self.covered));
        }
        self.seen.event("salvaged");
        all_right(&log, whole)?;
        append(&mut log)?;
        log.close().map_err(|error| format!("close: {error}"))?;
        drop(log);
        rest(&self.disk);
        let after = files(&self.disk);
        let gaps: Vec<_> = recovery.gaps.iter().filter_map(|gap| gap.file.as_ref()?.file_name()).collect();
        for (name, bytes) in before.iter().filter(|(name, _)| gaps.contains(&name.as_ref())) {
            if !after.contains(&(name.clone(), bytes.clone())) {
                return Err(format!("a salvage has written to {name}"));
            }
        }
        let strict = LogOptions { recovery: Mode::Strict, ..self.options.clone() };
        match open_with(&self.disk.io(), &strict) {
            Ok((_, again)) if again.next_seq == recovery.next_seq + 1 => Ok(()),
            other => Err(format!("after a salvage: {:?}", other.map(|(_, again)| again))),
        }
    }
}

/// What can be read is what was written.
fn all_right(log: &Log, whole: &Contents) -> Result<(), String> {
    let given = match crate::engine::read(log, pstream_core::stream::Level::Durable) {
        Ok(given) => given,
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt(_)) => return Ok(()),
        Err(error) => return Err(format!("reading: {error}")),
    };
    let records = whole.records();
    let right = |seq: u64| records.get(seq.checked_sub(whole.start)? as usize);
    match given.records.iter().find(|(seq, data)| right(*seq) != Some(data)) {
        Some((seq, _)) => Err(format!("a reader was given a wrong record {seq}")),
        None => Ok(()),
    }
}

fn append(log: &mut Log) -> Result<(), String> {
    use pstream_core::stream::{Level, PendingKind};
    let more = [record(2_000_000, 300)];
    crate::harness::commit_as(log, PendingKind::Records, &more, Level::Durable).map(drop).map_err(|e| e.to_string())
}

fn is_in_use(whole: &Contents, name: &str) -> bool {
    whole.files.iter().any(|file| index_of(name).is_some_and(|(index, _)| index == file.index))
}

/// Mostly one of the last file in use that holds something.
fn choose(disk: &SimDisk, whole: &Contents, rng: &mut Rng) -> Option<Place> {
    let names = names(disk);
    let last = whole.files.last()?.index;
    let in_use = names.iter().find(|name| index_of(name).is_some_and(|(index, _)| index == last))?;
    let any = &names[rng.below(names.len() as u64) as usize];
    let name = if rng.chance(3, 4) { in_use } else { any }.clone();
    let bytes = disk.disk_bytes(format!("{DIR}/{name}"), 0..u64::MAX).unwrap();
    let full = |at: &usize| bytes[*at..*at + 4096].iter().any(|byte| *byte != 0);
    // Of a file that was merely prepared there is nothing else.
    let only_full = rng.chance(7, 8) && is_in_use(whole, &name);
    let places: Vec<usize> = (0..bytes.len()).step_by(4096).filter(|at| !only_full || full(at)).collect();
    let at = *places.get(rng.below(places.len() as u64) as usize)? as u64;
    Some(Place { name, range: at..at + 4096 })
}

fn damage(disk: &SimDisk, sector: &Place, rng: &mut Rng) {
    let file = format!("{DIR}/{}", sector.name);
    let start = sector.range.start;
    match rng.below(4) {
        0 => disk.garble_on_disk(file, sector.range.clone()),
        1 => disk.zero_on_disk(file, sector.range.clone()),
        2 => {
            let at = start + rng.below(8) * 512;
            disk.garble_on_disk(file, at..at + 512)
        }
        _ => disk.flip_bit(file, start + rng.below(4096), rng.below(8) as u32),
    }
    .unwrap();
}
