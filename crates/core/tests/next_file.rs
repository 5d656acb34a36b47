//! The next file is made by a thread of its own: no append waits for it, however long it takes.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    unreachable_pub,
    reason = "tests say what they expect by panicking"
)]

mod common;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::hooked::Hooked;
use pstream_core::format::batch::push_record;
use pstream_core::stream::{Append, Group, GroupOptions, Level, Log, LogOptions, PendingKind, Settled};
use pstream_core::{FileSequence, OsIo, SequenceOptions, Shape};
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(30);

/// Holds up the reservation of files from the second on.
struct Bench {
    folder: TempDir,
    /// Says that a file is being made.
    begun: Receiver<()>,
    /// Lets one file be made.
    go: Sender<()>,
    failing: Arc<AtomicBool>,
    group: Group,
    settled: Receiver<Settled>,
}

fn options() -> LogOptions {
    let mut options = LogOptions::new("s");
    (options.file_size, options.block_size, options.first_file_size) = (1 << 18, 4096, Some(1 << 18));
    options
}

fn bench() -> Bench {
    let folder = common::folder();
    let ((say, begun), (go, may_go)) = (channel(), channel::<()>());
    let (failing, armed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (fails, arm, may_go) = (Arc::clone(&failing), Arc::clone(&armed), Mutex::new(may_go));
    let io = Hooked::over(Arc::new(OsIo), move |call, path: &Path| {
        if call == "reserve" && path.ends_with("alloc.tmp") && arm.load(Ordering::SeqCst) {
            say.send(()).ok();
            may_go.lock().unwrap().recv().ok();
        }
        if call == "write_at" && fails.swap(false, Ordering::SeqCst) {
            return Err(std::io::Error::other("on purpose"));
        }
        Ok(())
    });
    let (log, _) = Log::open(Arc::new(io), folder.path(), options()).unwrap();
    armed.store(true, Ordering::SeqCst);
    let (sender, settled) = channel();
    let listener = move |settled: Settled| drop(sender.send(settled));
    let group = Group::start(log, GroupOptions::default(), Box::new(listener)).unwrap();
    Bench { folder, begun, go, failing, group, settled }
}

impl Bench {
    fn append(&self, len: usize) {
        let mut payload = Vec::new();
        push_record(&vec![7; len], &mut payload);
        let append = Append { kind: PendingKind::Records, payload: Box::new(payload), count: 1, level: Level::Durable };
        self.group.append(append).unwrap();
    }

    fn is_committed(&self, within: Duration) -> bool {
        matches!(self.settled.recv_timeout(within), Ok(Settled::Committed { .. }))
    }

    /// Appends until the next file is being made, and held up.
    fn begin(&self) {
        for _ in 0..2 {
            self.append(70_000);
            assert!(self.is_committed(LONG));
        }
        self.begun.recv_timeout(LONG).expect("a file is made once the last one is half full");
    }

    fn records(&self) -> u64 {
        let (mut log, recovery) = Log::open(Arc::new(OsIo), self.folder.path(), options()).unwrap();
        log.close().unwrap();
        recovery.next_seq
    }
}

#[test]
fn appends_do_not_wait_for_it() {
    let bench = bench();
    bench.begin();
    for _ in 0..50 {
        bench.append(100);
        assert!(bench.is_committed(LONG), "an append waits for the next file");
    }
    // One that does not fit any more does.
    bench.append(150_000);
    assert!(!bench.is_committed(Duration::from_millis(200)));
    // This one, and the one behind it.
    bench.go.send(()).unwrap();
    bench.go.send(()).unwrap();
    assert!(bench.is_committed(LONG));
    bench.append(100);
    assert!(bench.is_committed(LONG));
    bench.group.close().unwrap();
    assert_eq!(bench.group.stats().footprint.files, 2);
    assert_eq!(bench.records(), 54);
}

/// Also when there is never a moment in which nothing waits.
#[test]
fn it_is_made_under_load() {
    let folder = common::folder();
    let (makers, all) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
    let (list, armed) = (Arc::clone(&makers), Arc::clone(&all));
    let io = Hooked::over(Arc::new(OsIo), move |call, _| {
        let is_commit = call == "write_at" && armed.load(Ordering::SeqCst);
        if is_commit {
            std::thread::sleep(Duration::from_millis(20));
        }
        if call == "reserve" {
            list.lock().unwrap().push(std::thread::current().name().unwrap_or_default().to_owned());
        }
        Ok(())
    });
    let mut options = LogOptions::new("s");
    (options.file_size, options.first_file_size) = (16 << 20, Some(16 << 20));
    let (log, _) = Log::open(Arc::new(io), folder.path(), options).unwrap();
    all.store(true, Ordering::SeqCst);
    makers.lock().unwrap().clear();
    let (sender, settled) = channel();
    let listener = move |settled: Settled| drop(sender.send(settled));
    let waiting = GroupOptions {
        max_pending_bytes: u64::MAX,
        commit_delay: Duration::from_millis(200),
        ..GroupOptions::default()
    };
    let group = Group::start(log, waiting, Box::new(listener)).unwrap();
    let mut payload = Vec::new();
    push_record(&vec![7; 1 << 20], &mut payload);
    for _ in 0..40 {
        let payload = Box::new(payload.clone());
        group.append(Append { kind: PendingKind::Records, payload, count: 1, level: Level::Durable }).unwrap();
    }
    let flushed = group.flush().unwrap();
    let is_last = |settled: &Settled| matches!(settled, Settled::Committed { tickets, .. } if tickets.end > flushed);
    assert!(settled.iter().any(|settled| is_last(&settled)));
    group.close().unwrap();
    let makers = makers.lock().unwrap();
    assert!(makers.len() >= 2 && makers.iter().all(|maker| maker == "pstream-prepare"), "{makers:?}");
}

#[test]
fn closing_waits_for_it() {
    let bench = bench();
    bench.begin();
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| bench.group.close());
        std::thread::sleep(Duration::from_millis(100));
        assert!(!closing.is_finished(), "the thread that makes a file outlives the stream");
        bench.go.send(()).unwrap();
        closing.join().unwrap().unwrap();
    });
    assert_eq!(bench.records(), 2);
}

#[test]
fn a_recovery_in_place_waits_for_it() {
    let bench = bench();
    bench.begin();
    bench.failing.store(true, Ordering::SeqCst);
    bench.append(100);
    assert!(matches!(bench.settled.recv_timeout(LONG), Ok(Settled::Failed { .. })));
    bench.append(100);
    assert!(!bench.is_committed(Duration::from_millis(100)));
    bench.go.send(()).unwrap();
    assert!(bench.is_committed(LONG));
    bench.group.close().unwrap();
    assert!(bench.records() >= 3);
}

/// Nor does a release: what is held up is the making, not the sequence.
#[test]
fn a_release_does_not_wait_for_an_alloc() {
    let folder = common::folder();
    let ((say, begun), (go, may_go)) = (channel(), channel::<()>());
    let (may_go, made) = (Mutex::new(may_go), AtomicU32::new(0));
    let io = Hooked::new(move |call, path: &Path| {
        let third = call == "reserve" && path.ends_with("alloc.tmp") && made.fetch_add(1, Ordering::SeqCst) == 2;
        if third {
            say.send(()).ok();
            may_go.lock().unwrap().recv().ok();
        }
        Ok(())
    });
    let shape = Shape::new(4, 12).unwrap();
    let sequence = FileSequence::open(Arc::new(io), folder.path(), "s", shape, SequenceOptions::default()).unwrap();
    let first = sequence.alloc(None).unwrap();
    sequence.alloc(None).unwrap();
    std::thread::scope(|scope| {
        let third = scope.spawn(|| sequence.alloc(None));
        begun.recv_timeout(LONG).unwrap();
        let released = scope.spawn(|| sequence.release(&first));
        let done = (0..1000).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            released.is_finished()
        });
        assert_eq!(sequence.retrieve().map(Iterator::count).ok(), done.then_some(1));
        go.send(()).unwrap();
        assert!(done, "a release waits for an alloc");
        released.join().unwrap().unwrap();
        assert_eq!(third.join().unwrap().unwrap().index(), 3);
    });
    assert_eq!((sequence.start(), sequence.end()), (2, 4));
    sequence.close().unwrap();
}
