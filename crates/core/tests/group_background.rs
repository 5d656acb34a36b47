//! What a stream does on the side is told of: nothing fails there in silence.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "tests say what they expect by panicking"
)]

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use pstream_core::ErrorKind;
use pstream_core::format::batch::push_record;
use pstream_core::stream::{
    Append, Background, Duty, Goal, Group, GroupOptions, Level, Listener, Log, LogOptions, Pending, PendingKind,
    Previous, Settled,
};
use pstream_sim::{CallKind, Effect, Fault, SimDisk};

const SOON: Duration = Duration::from_secs(20);

struct Teller {
    settled: Sender<Settled>,
    background: Sender<Background>,
}

impl Listener for Teller {
    fn settled(&self, settled: Settled) {
        drop(self.settled.send(settled));
    }

    fn background(&self, what: Background) {
        drop(self.background.send(what));
    }
}

struct Bench {
    disk: SimDisk,
    group: Group,
    settled: Receiver<Settled>,
    background: Receiver<Background>,
}

fn options() -> LogOptions {
    let mut options = LogOptions::new("s");
    (options.file_size, options.block_size, options.first_file_size) = (1 << 18, 4096, Some(1 << 18));
    options
}

fn bench(sync_interval: Duration) -> Bench {
    let disk = SimDisk::new(1);
    disk.io().create_dir(Path::new("/d")).unwrap();
    disk.settle();
    let log = Log::open(disk.io(), Path::new("/d"), options()).unwrap().0;
    let ((send, settled), (tell, background)) = (channel(), channel());
    let options = GroupOptions { sync_interval, ..GroupOptions::default() };
    let group = Group::start(log, options, Box::new(Teller { settled: send, background: tell })).unwrap();
    Bench { disk, group, settled, background }
}

impl Bench {
    fn append(&self, len: usize, level: Level) -> Settled {
        let mut payload = Vec::new();
        push_record(&vec![7; len], &mut payload);
        let append = Append { kind: PendingKind::Records, payload: Box::new(payload), count: 1, level };
        self.group.append(append).unwrap();
        self.settled.recv_timeout(SOON).expect("settled in time")
    }

    fn told(&self) -> Background {
        self.background.recv_timeout(SOON).expect("told in time")
    }

    /// Told of something that has failed.
    fn failed(&self) -> (Duty, ErrorKind) {
        match self.told() {
            Background::Failed { duty, error } => (duty, error.kind().clone()),
            other => panic!("{other:?}"),
        }
    }

    fn recovered(&self) -> u64 {
        match self.told() {
            Background::Recovered { recovery, .. } => {
                assert_eq!(recovery.previous, Previous::Crashed);
                recovery.next_seq
            }
            other => panic!("{other:?}"),
        }
    }

    fn quiet(&self) {
        assert!(self.background.try_recv().is_err(), "nothing more is told");
    }
}

/// The sync that makes written records durable fails, and nobody ever flushes: the stream tells of it, and so does its
/// close, though the stream has recovered and appends went on.
#[test]
fn a_background_sync_that_fails() {
    let bench = bench(Duration::from_millis(20));
    bench.disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::SyncData));
    assert!(matches!(bench.append(100, Level::Written), Settled::Committed { .. }));
    assert_eq!(bench.failed(), (Duty::Sync, ErrorKind::SyncFailed));
    bench.disk.clear_faults();
    assert!(matches!(bench.append(100, Level::Durable), Settled::Committed { .. }));
    bench.recovered();
    bench.quiet();
    assert_eq!(*bench.group.close().unwrap_err().kind(), ErrorKind::SyncFailed);
}

/// The same, but a flush was told: the close has nothing to add.
#[test]
fn a_flush_is_told_instead_of_the_close() {
    let bench = bench(Duration::from_millis(20));
    bench.disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::SyncData));
    bench.append(100, Level::Written);
    assert_eq!(bench.failed().0, Duty::Sync);
    bench.disk.clear_faults();
    bench.group.flush().unwrap();
    assert!(matches!(bench.settled.recv_timeout(SOON).unwrap(), Settled::Failed { .. }));
    assert!(matches!(bench.append(100, Level::Durable), Settled::Committed { .. }));
    bench.group.close().unwrap();
}

/// A durable append behind written ones fails: it is told so itself, and of the others the listener is.
#[test]
fn a_commit_that_takes_written_records_with_it() {
    let bench = bench(Duration::from_secs(60));
    assert!(matches!(bench.append(100, Level::Written), Settled::Committed { .. }));
    bench.disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::SyncData));
    bench.disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::WriteSynced));
    assert!(matches!(bench.append(100, Level::Durable), Settled::Failed { .. }));
    assert_eq!(bench.failed().0, Duty::Sync);
    bench.disk.clear_faults();
    assert!(bench.group.close().is_err());
}

/// The next file cannot be made ahead of time for want of space: no append fails before it is needed.
#[test]
fn a_next_file_that_cannot_be_made() {
    let bench = bench(Duration::from_secs(1));
    bench.disk.inject(Fault::new(Effect::Fail(std::io::ErrorKind::StorageFull)).kind(CallKind::Reserve).every());
    assert!(matches!(bench.append(140_000, Level::Durable), Settled::Committed { .. }));
    // The outcome is taken by a commit behind it.
    let told = (0..500).find_map(|_| {
        std::thread::sleep(Duration::from_millis(10));
        assert!(matches!(bench.append(10, Level::Durable), Settled::Committed { .. }));
        bench.background.try_recv().ok()
    });
    let Some(Background::Failed { duty, error }) = told else { panic!("{told:?}") };
    assert_eq!((duty, error.kind()), (Duty::NextFile, &ErrorKind::NoSpace));
    bench.disk.clear_faults();
    assert!(matches!(bench.append(140_000, Level::Durable), Settled::Committed { .. }));
    bench.group.close().unwrap();
}

/// The watermark of an idle stream cannot be written: nothing is lost, the next commit recovers the stream first.
#[test]
fn a_watermark_that_cannot_be_written() {
    let bench = bench(Duration::from_secs(1));
    bench.append(100, Level::Durable);
    bench.disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::WriteSynced));
    assert_eq!(bench.failed(), (Duty::Watermark, ErrorKind::SyncFailed));
    bench.disk.clear_faults();
    assert!(matches!(bench.append(100, Level::Durable), Settled::Committed { first_seq: 1, .. }));
    assert_eq!(bench.recovered(), 1);
    bench.group.close().unwrap();
    bench.quiet();
}

/// One that follows a flush fails within it: the flush has done what it was asked for.
#[test]
fn a_watermark_behind_a_flush() {
    let bench = bench(Duration::from_secs(60));
    bench.append(100, Level::Written);
    bench.disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::WriteSynced));
    bench.group.flush().unwrap();
    assert!(matches!(bench.settled.recv_timeout(SOON).unwrap(), Settled::Committed { .. }));
    assert_eq!(bench.failed().0, Duty::Watermark);
    bench.disk.clear_faults();
    bench.group.close().unwrap();
    bench.quiet();
}

/// A release is noted, with the first record that is left.
#[test]
fn a_release() {
    let bench = bench(Duration::from_secs(1));
    drop(bench.group);
    let mut log = Log::open(bench.disk.io(), Path::new("/d"), options()).unwrap().0;
    let mut payload = Vec::new();
    push_record(&vec![7; 200_000], &mut payload);
    let pending = [Pending { kind: PendingKind::Records, payload: &payload, count: 1 }];
    for _ in 0..3 {
        log.commit(&pending, Level::Durable).unwrap();
    }
    assert_eq!(log.trim_now(Goal { before: Some(1), ..Goal::default() }).unwrap().files, 1);
    assert!(log.release_first().unwrap());
    assert!(!log.release_first().unwrap());
    let noted: Vec<_> = log
        .take_background()
        .into_iter()
        .map(|what| match what {
            Background::Trimmed { oldest_seq, files, asked } => (oldest_seq, files, asked),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(noted, [(Some(1), 1, true), (Some(2), 1, false)]);
    assert!(log.take_background().is_empty());
    log.close().unwrap();
}

/// Nobody fetches them: they are bounded, and the last ones are kept.
#[test]
fn notes_are_bounded() {
    let bench = bench(Duration::from_secs(1));
    drop(bench.group);
    let mut log = Log::open(bench.disk.io(), Path::new("/d"), options()).unwrap().0;
    for _ in 0..100 {
        log.recover_in_place().unwrap();
    }
    assert_eq!(log.take_background().len(), 16);
}
