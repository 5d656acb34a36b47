//! What goes by itself, and trims that are asked for, beside a commit thread: which waits for none of it.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::unnecessary_wraps,
    reason = "tests say what they expect by panicking"
)]

mod common;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::hooked::Hooked;
use pstream_core::format::batch::push_record;
use pstream_core::stream::cursor::Folder;
use pstream_core::stream::{
    Append, Group, GroupOptions, Level, Log, LogOptions, PendingKind, Retention, Settled, WhenLimited,
};
use pstream_core::{Error, ErrorKind, OsIo, Result};
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(30);
const FILE: u64 = 1 << 16;

/// A stream whose files are 64 KiB, with a hook in front of each call.
struct Bench {
    folder: TempDir,
    group: Group,
    settled: Receiver<Settled>,
}

fn options(retention: Retention) -> LogOptions {
    let mut options = LogOptions::new("s");
    (options.file_size, options.block_size, options.first_file_size) = (FILE, 4096, Some(FILE));
    options.retention = retention;
    options
}

fn bench(retention: Retention, hook: impl Fn(&str, &Path) -> std::io::Result<()> + Send + Sync + 'static) -> Bench {
    let folder = common::folder();
    let io = Arc::new(Hooked::over(Arc::new(OsIo), hook));
    let (log, _) = Log::open(io, folder.path(), options(retention)).unwrap();
    let (sender, settled) = channel();
    let listener = move |settled: Settled| drop(sender.send(settled));
    let group = Group::start(log, GroupOptions::default(), Box::new(listener)).unwrap();
    Bench { folder, group, settled }
}

impl Bench {
    fn hand_over(&self, len: usize) {
        let mut payload = Vec::new();
        push_record(&vec![7; len], &mut payload);
        let append = Append { kind: PendingKind::Records, payload: Box::new(payload), count: 1, level: Level::Durable };
        self.group.append(append).unwrap();
    }

    fn append(&self, len: usize) -> std::result::Result<u64, Arc<Error>> {
        self.hand_over(len);
        match self.settled.recv_timeout(LONG).expect("settled in time") {
            Settled::Committed { first_seq, .. } => Ok(first_seq),
            Settled::Failed { error, .. } => Err(error),
        }
    }

    /// So many records, of which four fill a file.
    fn fill(&self, count: usize) {
        for _ in 0..count {
            self.append(12_000).unwrap();
        }
    }

    fn trim(&self, before: u64) -> Receiver<Result<u64>> {
        let (sender, receiver): (Sender<Result<u64>>, _) = channel();
        self.group.trim(before, false, move |done| drop(sender.send(done))).unwrap();
        receiver
    }

    fn oldest(&self) -> u64 {
        self.group.known_oldest_seq().unwrap()
    }

    fn cursors(&self) -> Folder {
        Folder::new(Arc::new(OsIo), self.folder.path(), "s")
    }

    fn id(&self) -> pstream_core::format::StreamId {
        self.group.snapshot(Level::Durable).unwrap().id()
    }
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < LONG, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn nothing(_: &str, _: &Path) -> std::io::Result<()> {
    Ok(())
}

/// Whether a file of the stream is being removed.
fn is_release(call: &str, path: &Path) -> bool {
    call == "remove_file" && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("s.0"))
}

#[test]
fn a_trim_that_is_asked_for() {
    let bench = bench(Retention::default(), nothing);
    bench.fill(20);
    assert_eq!(bench.trim(0).recv_timeout(LONG).unwrap().unwrap(), 0);
    let (one, two) = (bench.trim(5), bench.trim(14));
    assert_eq!(one.recv_timeout(LONG).unwrap().unwrap(), 4);
    assert_eq!(two.recv_timeout(LONG).unwrap().unwrap(), 12);
    assert_eq!(bench.oldest(), 12);
    bench.group.close().unwrap();
    assert_eq!(*bench.group.trim(1, false, drop).unwrap_err().kind(), ErrorKind::Closed);
}

/// Whoever is told that files are gone finds it so in the statistics, however soon.
#[test]
fn what_a_trim_has_released_is_counted_before_it_is_told() {
    let bench = bench(Retention::default(), nothing);
    bench.fill(20);
    assert_eq!(bench.group.stats().footprint.files, 5);
    let (sender, receiver) = channel();
    let (say, heard) = channel::<()>();
    // The commit thread waits until this has looked: nothing can be shown in between.
    let told = move |done: Result<u64>| {
        drop(sender.send(done));
        heard.recv_timeout(LONG).ok();
    };
    bench.group.trim(14, false, told).unwrap();
    assert_eq!(receiver.recv_timeout(LONG).unwrap().unwrap(), 12);
    let files = bench.group.stats().footprint.files;
    drop(say);
    assert_eq!(files, 2);
}

/// An unlink takes as long as it likes: appends go on, also into files that are there; and a close waits for it.
#[test]
fn appends_do_not_wait_for_a_release() {
    let (say, begun) = channel::<()>();
    let (go, may_go) = channel::<()>();
    let may_go = Mutex::new(may_go);
    let bench = bench(Retention::default(), move |call, path| {
        if is_release(call, path) {
            say.send(()).ok();
            may_go.lock().unwrap().recv().ok();
        }
        Ok(())
    });
    bench.fill(11);
    let done = bench.trim(9);
    begun.recv_timeout(LONG).unwrap();
    for _ in 0..50 {
        bench.append(100).unwrap();
    }
    assert_eq!(bench.oldest(), 0);
    assert!(done.try_recv().is_err());
    go.send(()).unwrap();
    begun.recv_timeout(LONG).unwrap();
    // Readers know of the first one by now, whether the commit thread has looked or not.
    assert_eq!(bench.oldest(), 4);
    let closing = std::thread::scope(|scope| {
        let closing = scope.spawn(|| bench.group.close());
        std::thread::sleep(Duration::from_millis(50));
        assert!(!closing.is_finished());
        go.send(()).unwrap();
        closing.join().unwrap()
    });
    closing.unwrap();
    assert_eq!(*done.recv_timeout(LONG).unwrap().unwrap_err().kind(), ErrorKind::Closed);
    let (log, recovery) = Log::open(Arc::new(OsIo), bench.folder.path(), options(Retention::default())).unwrap();
    assert_eq!((recovery.oldest_seq, recovery.next_seq), (Some(8), 61));
    drop(log);
}

/// A failed write sends the log through recovery, which ends the trim; it is begun anew.
#[test]
fn a_recovery_in_the_midst_of_a_trim() {
    let (failing, releases) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let (fails, count) = (Arc::clone(&failing), Arc::clone(&releases));
    let bench = bench(Retention::default(), move |call, path| {
        if is_release(call, path) {
            count.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(20));
        }
        if call == "write_at" && fails.swap(false, Ordering::SeqCst) {
            return Err(std::io::Error::other("on purpose"));
        }
        Ok(())
    });
    bench.fill(60);
    let done = bench.trim(50);
    until("a release", || releases.load(Ordering::SeqCst) > 1);
    failing.store(true, Ordering::SeqCst);
    assert!(bench.append(100).is_err());
    bench.append(100).unwrap();
    assert_eq!(done.recv_timeout(LONG).unwrap().unwrap(), 48);
    assert_eq!(bench.oldest(), 48);
}

/// A trim that cannot be begun is over at once, and those behind it have their turn though nothing else happens.
#[test]
fn trims_that_cannot_be_begun_are_all_told() {
    let failing = Arc::new(AtomicBool::new(false));
    let fails = Arc::clone(&failing);
    let (say, begun) = channel::<()>();
    let (go, may_go) = channel::<()>();
    let may_go = Mutex::new(may_go);
    let bench = bench(Retention::default(), move |call, _| {
        if !fails.load(Ordering::SeqCst) || !["write_at", "sync_data", "sync_all"].contains(&call) {
            return Ok(());
        }
        if call == "write_at" {
            say.send(()).ok();
            may_go.lock().unwrap().recv().ok();
        }
        Err(std::io::Error::other("on purpose"))
    });
    bench.fill(11);
    failing.store(true, Ordering::SeqCst);
    bench.hand_over(100);
    begun.recv_timeout(LONG).unwrap();
    let (one, two, three) = (bench.trim(5), bench.trim(6), bench.trim(9));
    drop(go);
    assert!(matches!(bench.settled.recv_timeout(LONG), Ok(Settled::Failed { .. })));
    for done in [one, two, three] {
        assert_eq!(*done.recv_timeout(LONG).expect("told").unwrap_err().kind(), ErrorKind::SyncFailed);
    }
    failing.store(false, Ordering::SeqCst);
    assert_eq!(bench.trim(9).recv_timeout(LONG).unwrap().unwrap(), 8);
}

/// What goes by itself and cannot be removed is tried again.
#[test]
fn a_release_that_fails_is_tried_again() {
    let left = Arc::new(AtomicU32::new(3));
    let fails = Arc::clone(&left);
    let retention = Retention { max_bytes: Some(4 * FILE), ..Retention::default() };
    let bench = bench(retention, move |call, path| {
        let takes_one = |left: u32| left.checked_sub(1);
        if is_release(call, path) && fails.fetch_update(Ordering::SeqCst, Ordering::SeqCst, takes_one).is_ok() {
            return Err(std::io::Error::other("in use"));
        }
        Ok(())
    });
    bench.fill(40);
    until("another attempt", || bench.group.stats().footprint.on_disk <= 4 * FILE);
    assert_eq!(left.load(Ordering::SeqCst), 0);
    bench.fill(1);
}

/// A panic in a trim is an error of it, and of nothing else.
#[test]
fn a_panic_in_a_release() {
    let armed = Arc::new(AtomicBool::new(true));
    let bench = bench(Retention::default(), move |call, path| {
        assert!(!is_release(call, path) || !armed.swap(false, Ordering::SeqCst), "on purpose");
        Ok(())
    });
    bench.fill(11);
    let error = bench.trim(9).recv_timeout(LONG).unwrap().unwrap_err();
    assert!(error.to_string().starts_with("internal error"), "{error}");
    bench.fill(1);
    assert_eq!(bench.trim(9).recv_timeout(LONG).unwrap().unwrap(), 8);
}

/// A cursor holds back what is beyond `max_bytes`; once it has passed, that goes, though nothing is appended.
#[test]
fn what_a_cursor_held_back_goes_later() {
    let bench = bench(Retention { max_bytes: Some(4 * FILE), ..Retention::default() }, nothing);
    bench.append(10).unwrap();
    let mut cursor = bench.cursors().open("c", bench.id(), || Ok(0)).unwrap();
    bench.fill(60);
    assert!(bench.group.stats().footprint.on_disk > 10 * FILE);
    assert_eq!(bench.oldest(), 0);
    for seq in [50, 51] {
        cursor.commit(seq, 61).unwrap();
    }
    until("what it has passed is gone", || bench.group.stats().footprint.on_disk <= 4 * FILE);
    assert!(bench.oldest() > 40);
}

#[test]
fn cursors_are_passed_if_that_is_wanted() {
    let retention = Retention { max_bytes: Some(4 * FILE), keep_for_cursors: false, ..Retention::default() };
    let bench = bench(retention, nothing);
    bench.append(10).unwrap();
    let _cursor = bench.cursors().open("c", bench.id(), || Ok(0)).unwrap();
    bench.fill(60);
    until("they are", || bench.group.stats().footprint.on_disk <= 4 * FILE);
}

/// By age: when all records of a file are older, and not before; nobody has to append for it.
#[test]
fn by_age() {
    let age = Duration::from_millis(400);
    let bench = bench(Retention { max_age: Some(age), ..Retention::default() }, nothing);
    let begin = Instant::now();
    bench.fill(9);
    assert_eq!(bench.oldest(), 0);
    until("two files are gone", || bench.oldest() == 8);
    assert!(begin.elapsed() >= age);
    until("the footprint", || bench.group.stats().footprint.files == 1);
    bench.group.close().unwrap();
    // Those that are too old when it is opened go at once.
    let bench = self::bench(Retention::default(), nothing);
    bench.fill(9);
    bench.group.close().unwrap();
    std::thread::sleep(Duration::from_millis(30));
    let retention = Retention { max_age: Some(Duration::from_millis(10)), ..Retention::default() };
    let (log, _) = Log::open(Arc::new(OsIo), bench.folder.path(), options(retention)).unwrap();
    let group = Group::start(log, GroupOptions::default(), Box::new(drop::<Settled>)).unwrap();
    until("they are gone", || group.known_oldest_seq() == Some(8));
}

/// While nothing is to be done the commit thread sleeps, whatever it waits for.
#[test]
fn waiting_costs_nothing() {
    let calls = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&calls);
    let (max_bytes, max_age) = (Some(4 * FILE), Some(Duration::from_secs(3600)));
    let bench = bench(Retention { max_bytes, max_age, ..Retention::default() }, move |_, _| {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    bench.append(10).unwrap();
    let _cursor = bench.cursors().open("c", bench.id(), || Ok(0)).unwrap();
    bench.fill(40);
    // The watermark of an idle stream among them.
    std::thread::sleep(Duration::from_millis(1500));
    let before = calls.load(Ordering::SeqCst);
    std::thread::sleep(Duration::from_secs(1));
    let more = calls.load(Ordering::SeqCst) - before;
    assert!(more < 40, "{more} calls in a second");
}

/// Many appends at once are no larger a commit than there can be room for.
#[test]
fn a_limit_under_load() {
    let retention = Retention { limit_bytes: Some(4 * FILE), when_limited: WhenLimited::Trim, ..Retention::default() };
    let bench = bench(retention, nothing);
    for _ in 0..300 {
        bench.hand_over(9000);
    }
    let mut seqs = 0;
    while seqs < 300 {
        match bench.settled.recv_timeout(LONG).unwrap() {
            Settled::Committed { tickets, .. } => seqs += tickets.end - tickets.start,
            Settled::Failed { error, .. } => panic!("{error}"),
        }
        assert!(bench.group.stats().footprint.on_disk <= 4 * FILE);
    }
    assert!(bench.oldest() > 270);
}
