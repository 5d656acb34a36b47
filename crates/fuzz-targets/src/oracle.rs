//! What holds for every stream, whatever its files hold: an open that refuses changes nothing, what was read once is
//! read again the same, what is acknowledged from now on is there after a power cut.

use std::path::Path;
use std::sync::{Arc, Mutex};

use pstream_core::format::batch::push_record;
use pstream_core::stream::read::ReadOptions;
use pstream_core::stream::{Level, Log, LogOptions, Mode, Pending, PendingKind, Recovery};
use pstream_core::{ErrorKind, Result};
use pstream_sim::{Keep, SimDisk};

pub(crate) const DIR: &str = "/d";
pub(crate) const NAME: &str = "s";

/// A disk with an empty folder.
pub(crate) fn disk() -> SimDisk {
    let disk = SimDisk::new(1);
    disk.io().create_dir(Path::new(DIR)).unwrap();
    rest(&disk);
    disk
}

/// Makes everything durable and ends the process.
pub(crate) fn rest(disk: &SimDisk) {
    disk.settle();
    disk.power_cut(&Keep::All);
}

pub(crate) fn open(disk: &SimDisk, options: &LogOptions) -> Result<(Log, Recovery)> {
    Log::open(disk.io(), Path::new(DIR), options.clone())
}

/// Records of so many bytes, in one commit.
pub(crate) fn commit(log: &mut Log, kind: PendingKind, records: &[Vec<u8>], level: Level) -> Result<u64> {
    let mut payload = Vec::new();
    for record in records {
        push_record(record, &mut payload);
    }
    let count = u32::try_from(records.len()).unwrap();
    log.commit(&[Pending { kind, payload: &payload, count }], level).map(|committed| committed.seqs.start)
}

/// The files of the stream and what is in them.
pub(crate) fn contents(disk: &SimDisk) -> Vec<(String, Vec<u8>)> {
    let names = disk.names(DIR).unwrap().into_iter().filter(|name| name.starts_with("s.") && name.contains('-'));
    names
        .map(|name| {
            let bytes = disk.disk_bytes(format!("{DIR}/{name}"), 0..u64::MAX).unwrap();
            (name, bytes)
        })
        .collect()
}

/// A record with its seq and time.
pub(crate) type Read = (u64, u64, Vec<u8>);
/// Records, and the gaps between them.
type Found = (Vec<Read>, Vec<(u64, u64)>);

/// All that can be read, and the gaps in between. `None` if it is so damaged that no reader can begin.
fn read(log: &Log, forged: bool) -> Option<Found> {
    let snapshot = log.snapshot(Level::Durable).expect("an open log");
    let gaps = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&gaps);
    let on_gap = Box::new(move |gap: pstream_core::stream::read::Gap| {
        assert!(gap.from_seq <= gap.to_seq);
        list.lock().unwrap().push((gap.from_seq, gap.to_seq));
    });
    let mut reader = snapshot.read(ReadOptions { on_gap: Some(on_gap), ..ReadOptions::default() }).ok()?;
    let mut records: Vec<Read> = Vec::new();
    while let Some(batch) = reader.next_batch().expect("damage is told as a gap") {
        records.extend(batch.records().map(|(seq, data)| (seq, batch.time_ms, data.to_vec())));
    }
    assert!(records.is_sorted_by(|left, right| left.0 < right.0), "seqs go up");
    let mut verifier = snapshot.verify().expect("it was read");
    while verifier.step().expect("damage is told in the report") {}
    let report = verifier.into_report();
    if gaps.lock().unwrap().is_empty() && report.ok() {
        assert_eq!(report.records, records.len() as u64);
    }
    for (seq, time_ms, data) in records.iter().take(3).chain(records.iter().rev().take(3)) {
        match snapshot.get(*seq) {
            Ok(Some(found)) if !forged => {
                assert_eq!((&found.data, found.time_ms), (data, *time_ms), "record {seq}");
            }
            // Forged headers may lead elsewhere, and give two records one seq.
            missed => assert!(forged, "record {seq} was read before: {missed:?}"),
        }
    }
    let gaps = gaps.lock().unwrap().clone();
    Some((records, gaps))
}

/// Says whether a record may be there.
pub(crate) type Truth<'a> = &'a dyn Fn(&Read) -> bool;

/// Opens the stream in both ways and goes on with it. Without a `truth` its files may be forged: anything may be there.
pub(crate) fn exercise(disk: &SimDisk, options: &LogOptions, truth: Option<Truth<'_>>) {
    for recovery in [Mode::Strict, Mode::Salvage] {
        let disk = disk.fork();
        let before = contents(&disk);
        let options = LogOptions { recovery, ..options.clone() };
        match open(&disk, &options) {
            Err(error) => {
                let damaged = matches!(error.kind(), ErrorKind::Corrupt(_) | ErrorKind::Unsupported);
                assert!(damaged || error.code().starts_with("PSTREAM_SEQUENCE_"), "{error:?}");
                disk.settle();
                assert!(contents(&disk) == before, "{recovery:?}: an open that refused has changed something");
            }
            Ok((log, report)) => go_on(&disk, &options, log, &report, truth),
        }
    }
}

fn go_on(disk: &SimDisk, options: &LogOptions, mut log: Log, report: &Recovery, truth: Option<Truth<'_>>) {
    assert!(report.next_seq == log.next_seq() && log.durable().seq == log.next_seq() && !report.postponed);
    assert!(options.recovery == Mode::Salvage || report.gaps.is_empty());
    let forged = truth.is_none();
    let first = read(&log, forged);
    if let Some((records, _)) = &first {
        let wrong = records.iter().find(|record| truth.is_some_and(|truth| !truth(record)));
        assert!(wrong.is_none(), "a wrong record: {wrong:?}");
        assert!(records.last().is_none_or(|(seq, ..)| *seq < report.next_seq));
    }
    assert_eq!(read(&log, forged), first, "two readings differ");
    // Numbers beyond this are never reached by appending; forged ones may be at the very end of all there are.
    if log.next_seq().max(log.durable().position) > 1 << 53 {
        return;
    }
    let mut added = Vec::new();
    for len in [10, 1900, 100] {
        let record = vec![b'a' + added.len() as u8; len];
        match commit(&mut log, PendingKind::Records, std::slice::from_ref(&record), Level::Durable) {
            Ok(seq) => added.push((seq, record)),
            // At the end of all positions or seqs there is nothing more to be had.
            Err(error) => {
                let full = matches!(error.kind(), ErrorKind::Capacity | ErrorKind::SequenceTooLong(..));
                assert!(full, "{error:?}");
                break;
            }
        }
    }
    assert!(added.iter().zip(report.next_seq..).all(|((seq, _), expected)| *seq == expected), "seqs are dense");
    // Forged bytes that contradict each other at first may be of one mind with what comes behind them.
    let known = first.as_ref().filter(|(_, gaps)| !forged || gaps.is_empty());
    check_added(&log, known, &added);
    // The machine stops here, or the stream is closed: both ways all of it is there.
    // Behind a salvage there is a whole end again; but a file that is missing in front of it is missing for good, and
    // damage that one open has no need to look at may be in the way of the next.
    let missing = report.gaps.iter().any(|gap| gap.file.is_none());
    let whole = !missing && first.as_ref().is_some_and(|(_, gaps)| gaps.is_empty());
    let mode = LogOptions { recovery: if whole { Mode::Strict } else { Mode::Salvage }, ..options.clone() };
    let crashed = disk.fork_after(&Keep::None);
    let (log_after, _) = open(&crashed, &mode).expect("what was opened once opens again");
    check_added(&log_after, known, &added);
    log.close().expect("no fault was injected");
    drop(log);
    rest(disk);
    let (log, again) = open(disk, &mode).expect("what was closed opens again");
    let expected = report.next_seq + added.len() as u64;
    assert!(again.torn.is_none() && again.next_seq == expected, "closed at seq {expected} after {report:?}: {again:?}");
    check_added(&log, known, &added);
}

/// That what was read, and what was added, is there.
fn check_added(log: &Log, first: Option<&Found>, added: &[(u64, Vec<u8>)]) {
    let now = read(log, true);
    let Some((before, _)) = first else { return };
    let (now, _) = now.expect("it could be read before");
    assert!(now.get(..before.len()) == Some(before.as_slice()), "what was read before has changed");
    let rest: Vec<(u64, Vec<u8>)> = now[before.len()..].iter().map(|(seq, _, data)| (*seq, data.clone())).collect();
    assert!(rest == added, "what was acknowledged is not there: {} of {}", rest.len(), added.len());
}
