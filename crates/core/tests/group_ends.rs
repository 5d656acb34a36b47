//! How a commit thread comes to its end: by a panic, by a deadline, with somebody waiting for it.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "tests say what they expect by panicking"
)]

mod common;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::hooked::Hooked;
use pstream_core::format::batch::push_record;
use pstream_core::stream::{
    Append, Group, GroupOptions, Level, Log, LogOptions, Payload, PendingKind, Refused, Settled,
};
use pstream_core::{ErrorKind, OsIo};
use pstream_sim::SimDisk;

const LONG: Duration = Duration::from_secs(30);

fn log() -> Log {
    let disk = SimDisk::new(1);
    disk.io().create_dir(Path::new("/d")).unwrap();
    disk.settle();
    Log::open(disk.io(), Path::new("/d"), LogOptions::new("s")).unwrap().0
}

fn append_of(payload: Box<dyn Payload>) -> Append {
    Append { kind: PendingKind::Records, payload, count: 1, level: Level::Durable }
}

fn append(len: usize) -> Append {
    let mut payload = Vec::new();
    push_record(&vec![1; len], &mut payload);
    append_of(Box::new(payload))
}

fn is_internal(error: &pstream_core::Error) -> bool {
    *error.kind() == ErrorKind::Io && error.to_string().starts_with("internal error")
}

/// Readable by the thread that made it.
struct Trap(thread::ThreadId);

impl Payload for Trap {
    fn bytes(&self) -> &[u8] {
        assert!(thread::current().id() == self.0, "on purpose");
        &[1, 7]
    }
}

/// What waits is told to have failed at once, and later calls fail by themselves: nobody waits for ever.
#[test]
fn a_panic_of_a_payload_settles_everything() {
    let (sender, settled) = channel();
    let commit_delay = Duration::from_millis(100);
    let options = GroupOptions { commit_delay, ..GroupOptions::default() };
    let listener = move |settled: Settled| drop(sender.send(settled));
    let group = Group::start(log(), options, Box::new(listener)).unwrap();
    group.append(append(10)).unwrap();
    group.append(append_of(Box::new(Trap(thread::current().id())))).unwrap();
    let ticket = group.flush().unwrap();
    assert!(group.wait(ticket, Some(Instant::now() + LONG)), "a waiter was left behind");
    let Ok(Settled::Failed { tickets, error }) = settled.recv_timeout(LONG) else { panic!("not failed") };
    assert_eq!(tickets, 0..3);
    assert!(is_internal(&error), "{error}");
    assert!(matches!(group.append(append(1)), Err(Refused::Never(error)) if is_internal(&error)));
    assert!(is_internal(&group.flush().unwrap_err()));
    assert!(is_internal(&group.close().unwrap_err()));
    group.close().unwrap();
    assert!(settled.try_recv().is_err(), "told twice");
}

#[test]
fn a_panic_of_the_listener_settles_everything() {
    let (sender, settled) = channel();
    let first = AtomicBool::new(true);
    let listener = move |settled: Settled| {
        assert!(!first.swap(false, Ordering::SeqCst), "on purpose");
        drop(sender.send(settled));
    };
    let group = Group::start(log(), GroupOptions::default(), Box::new(listener)).unwrap();
    let ticket = group.append(append(10)).unwrap();
    assert!(group.wait(ticket, Some(Instant::now() + LONG)));
    let Ok(Settled::Failed { tickets, .. }) = settled.recv_timeout(LONG) else { panic!("not failed") };
    assert_eq!(tickets, 0..1);
    assert!(is_internal(&group.close().unwrap_err()));
}

#[test]
fn a_wait_ends_when_its_ticket_has_settled_or_its_time_is_up() {
    let (sender, settled) = channel();
    // It waits for no timer then.
    let commit_delay = Duration::from_secs(3600);
    let options = GroupOptions { commit_delay, ..GroupOptions::default() };
    let group = Group::start(log(), options, Box::new(move |settled: Settled| drop(sender.send(settled)))).unwrap();
    let ticket = group.append(append(10)).unwrap();
    assert!(group.wait(ticket, Some(Instant::now() + LONG)));
    // The listener was told before.
    assert!(matches!(settled.try_recv(), Ok(Settled::Committed { .. })));
    assert!(group.wait(ticket, Some(Instant::now())));
    let slow = slow();
    let ticket = slow.group.append(append(10)).unwrap();
    slow.begun.recv_timeout(LONG).unwrap();
    assert!(!slow.group.wait(ticket, Some(Instant::now() + Duration::from_millis(20))));
    drop(slow.go);
    assert!(slow.group.wait(ticket, None));
}

/// A stream on a disk whose synced writes hang when they are told to.
struct Slow {
    folder: tempfile::TempDir,
    group: Group,
    settled: Receiver<Settled>,
    begun: Receiver<()>,
    go: Sender<()>,
    /// Calls since the disk hangs.
    calls: Arc<AtomicU32>,
}

fn slow() -> Slow {
    let folder = common::folder();
    let ((say, begun), (go, may_go)) = (channel(), channel::<()>());
    let (hangs, may_go) = (Arc::new(AtomicBool::new(false)), Mutex::new(may_go));
    let (armed, calls) = (Arc::clone(&hangs), Arc::new(AtomicU32::new(0)));
    let counter = Arc::clone(&calls);
    let io = Hooked::over(Arc::new(OsIo), move |call, path: &Path| {
        // The mark is nothing that anybody waits for the disk for.
        if armed.load(Ordering::SeqCst) && !path.ends_with("mark") {
            counter.fetch_add(1, Ordering::SeqCst);
            if call == "write_at" {
                say.send(()).ok();
                may_go.lock().unwrap().recv().ok();
            }
        }
        Ok(())
    });
    let (log, _) = Log::open(Arc::new(io), folder.path(), LogOptions::new("s")).unwrap();
    let (sender, settled) = channel();
    let listener = move |settled: Settled| drop(sender.send(settled));
    let group = Group::start(log, GroupOptions::default(), Box::new(listener)).unwrap();
    hangs.store(true, Ordering::SeqCst);
    Slow { folder, group, settled, begun, go, calls }
}

/// Beyond the deadline only the commit under way is waited for: what waits behind it is dropped, and nothing more is
/// done to the disk.
#[test]
fn a_deadline_ends_it_with_the_commit_under_way() {
    let slow = slow();
    slow.group.append(append(10)).unwrap();
    slow.begun.recv_timeout(LONG).unwrap();
    let last = slow.group.append(append(20)).unwrap();
    let begin = Instant::now();
    slow.group.close_by(begin + Duration::from_millis(100));
    assert!(!slow.group.wait(last, Some(begin + Duration::from_millis(150))));
    slow.go.send(()).unwrap();
    // Else everything else could go on, too.
    drop(slow.go);
    slow.group.close().unwrap();
    assert!(matches!(slow.settled.try_recv(), Ok(Settled::Committed { tickets, .. }) if tickets == (0..1)));
    let Ok(Settled::Failed { tickets, error }) = slow.settled.try_recv() else { panic!("not told") };
    assert_eq!((tickets, error.kind().clone()), (1..2, ErrorKind::Closed));
    // The commit is one synced write; where there is none the attempt, a write and a sync.
    let calls = slow.calls.load(Ordering::SeqCst);
    assert!(matches!(calls, 1 | 3), "{calls} calls after the deadline");
    let (_, recovery) = Log::open(Arc::new(OsIo), slow.folder.path(), LogOptions::new("s")).unwrap();
    assert_eq!(recovery.next_seq, 1);
}

/// In time everything is committed, and the stream is closed as it should be.
#[test]
fn what_waits_is_committed_before_the_deadline() {
    let slow = slow();
    drop(slow.go);
    for _ in 0..20 {
        slow.group.append(append(10)).unwrap();
    }
    slow.group.close_by(Instant::now() + LONG);
    assert!(matches!(slow.group.append(append(1)), Err(Refused::Never(error)) if *error.kind() == ErrorKind::Closed));
    slow.group.close().unwrap();
    let stats = slow.group.stats();
    assert!(stats.commits >= 1 && stats.syncs > stats.commits, "{stats:?}");
    assert!(stats.latency.max >= stats.latency.p50 && stats.latency.p50 > Duration::ZERO, "{stats:?}");
    assert_eq!((stats.footprint.files, stats.footprint.on_disk), (1, 4 << 20));
    assert!(stats.footprint.used < 200_000, "{stats:?}");
    let (_, recovery) = Log::open(Arc::new(OsIo), slow.folder.path(), LogOptions::new("s")).unwrap();
    assert_eq!((recovery.next_seq, recovery.previous), (20, pstream_core::stream::Previous::Closed));
}
