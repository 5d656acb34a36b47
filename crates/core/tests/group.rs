//! Group commit on the simulated disk: what is acknowledged is durable, in order, and many wait for one sync.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests say what they expect by panicking"
)]

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use pstream_core::ErrorKind;
use pstream_core::format::batch::push_record;
use pstream_core::stream::{
    Append, Group, GroupOptions, Level, Listener, Log, LogOptions, PendingKind, Refused, Settled,
};
use pstream_sim::{CallKind, Effect, Fault, Keep, SimDisk};

fn disk() -> SimDisk {
    let disk = SimDisk::new(1);
    disk.io().create_dir(Path::new("/d")).unwrap();
    disk.settle();
    disk
}

fn options() -> LogOptions {
    let mut options = LogOptions::new("s");
    (options.file_size, options.block_size, options.first_file_size) = (1 << 20, 4096, Some(1 << 18));
    options
}

fn open(disk: &SimDisk) -> Log {
    Log::open(disk.io(), Path::new("/d"), options()).unwrap().0
}

fn start(disk: &SimDisk, options: GroupOptions) -> (Group, Receiver<Settled>) {
    let (sender, receiver) = channel();
    let listener = move |settled: Settled| drop(sender.send(settled));
    (Group::start(open(disk), options, Box::new(listener)).unwrap(), receiver)
}

fn append(bytes: &[u8], level: Level) -> Append {
    let mut payload = Vec::new();
    push_record(bytes, &mut payload);
    Append { kind: PendingKind::Records, payload: Box::new(payload), count: 1, level }
}

fn next(receiver: &Receiver<Settled>) -> Settled {
    receiver.recv_timeout(Duration::from_secs(10)).expect("settled in time")
}

/// Seq of the record behind the last one that a fresh open finds.
fn reopened(disk: &SimDisk) -> u64 {
    disk.power_cut(&Keep::None);
    disk.clear_faults();
    let (mut log, recovery) = Log::open(disk.io(), Path::new("/d"), options()).unwrap();
    log.close().unwrap();
    recovery.next_seq
}

/// What waits together is committed together, and told of once.
#[test]
fn a_thousand_appends_take_one_sync() {
    let disk = disk();
    let commit_delay = Duration::from_millis(300);
    let (group, settled) = start(&disk, GroupOptions { commit_delay, ..GroupOptions::default() });
    disk.record(true);
    for number in 0..1000_u32 {
        assert_eq!(group.append(append(&number.to_le_bytes(), Level::Durable)).unwrap(), u64::from(number));
    }
    let Settled::Committed { tickets, first_seq, durable_seq, .. } = next(&settled) else { panic!("failed") };
    assert_eq!((tickets, first_seq, durable_seq), (0..1000, 0, 1000));
    let is_sync = |kind| matches!(kind, CallKind::WriteSynced | CallKind::SyncData | CallKind::SyncAll);
    let synced = disk.trace().iter().filter(|call| is_sync(call.kind)).count();
    assert_eq!(synced, 1, "{}", disk.trace_text());
    assert_eq!(group.durable().seq, 1000);
    let snapshot = group.snapshot(Level::Durable).unwrap();
    assert_eq!((snapshot.next_seq(), snapshot.bytes().unwrap()), (1000, group.durable().position));
    assert_eq!(snapshot.get(999).unwrap().unwrap().data, 999_u32.to_le_bytes());
    assert_eq!(group.pending_bytes(), 0);
    drop(group);
    assert_eq!(reopened(&disk), 1000);
}

/// From many threads: every ticket is settled once, in order, and what was acknowledged is there.
#[test]
fn many_threads_append() {
    let disk = disk();
    let (group, settled) = start(&disk, GroupOptions::default());
    std::thread::scope(|scope| {
        for thread in 0..8_u8 {
            let group = &group;
            scope.spawn(move || {
                (0..200).for_each(|_| assert!(group.append(append(&[thread; 100], Level::Durable)).is_ok()));
            });
        }
    });
    let (mut expected_ticket, mut expected_seq) = (0, 0);
    while expected_ticket < 1600 {
        let Settled::Committed { tickets, first_seq, .. } = next(&settled) else { panic!("failed") };
        assert_eq!((tickets.start, first_seq), (expected_ticket, expected_seq));
        expected_seq += tickets.end - tickets.start;
        expected_ticket = tickets.end;
    }
    // While the process lives on, the power is cut.
    assert_eq!(reopened(&disk), 1600);
    drop(group);
}

#[test]
fn too_much_is_refused_and_one_large_append_is_not() {
    let disk = disk();
    let commit_delay = Duration::from_millis(200);
    let limits = GroupOptions { max_pending_bytes: 10_000, commit_delay, ..GroupOptions::default() };
    let (group, settled) = start(&disk, limits);
    group.append(append(&vec![1; 50_000], Level::Durable)).unwrap();
    let refused = group.append(append(&[2; 10], Level::Durable)).unwrap_err();
    let Refused::Full(back) = refused else { panic!("{refused:?}") };
    assert!(matches!(next(&settled), Settled::Committed { .. }));
    group.append(back).unwrap();
    assert!(matches!(next(&settled), Settled::Committed { first_seq: 1, .. }));
    let refused = group.append(append(&vec![0; 1 << 20], Level::Durable)).unwrap_err();
    assert!(matches!(refused, Refused::Never(error) if *error.kind() == ErrorKind::Capacity));
}

/// What waits when the stream is closed is committed first.
#[test]
fn a_close_commits_what_waits() {
    let disk = disk();
    let commit_delay = Duration::from_secs(60);
    let (group, settled) = start(&disk, GroupOptions { commit_delay, ..GroupOptions::default() });
    for _ in 0..50 {
        group.append(append(b"waits", Level::Written)).unwrap();
    }
    group.close().unwrap();
    group.close().unwrap();
    assert!(matches!(next(&settled), Settled::Committed { tickets, .. } if tickets == (0..50)));
    assert!(
        matches!(group.append(append(b"", Level::Durable)).unwrap_err(), Refused::Never(error) if *error.kind() == ErrorKind::Closed)
    );
    assert_eq!(*group.flush().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(*group.snapshot(Level::Durable).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!((group.stats().footprint.files, group.durable().seq), (1, 0), "as of the last commit");
    assert_eq!(reopened(&disk), 50);
}

/// Who hands over much is told of the first part while the rest is written.
#[test]
fn a_commit_is_bounded() {
    let disk = disk();
    let mut options = options();
    (options.file_size, options.first_file_size) = (64 << 20, Some(64 << 20));
    let (log, _) = Log::open(disk.io(), Path::new("/d"), options.clone()).unwrap();
    let (sender, settled) = channel();
    let listener = move |settled: Settled| drop(sender.send(settled));
    let delay = GroupOptions { commit_delay: Duration::from_millis(300), ..GroupOptions::default() };
    let group = Group::start(log, delay, Box::new(listener)).unwrap();
    for _ in 0..10 {
        group.append(append(&vec![7; 1 << 20], Level::Durable)).unwrap();
    }
    group.flush().unwrap();
    let commits: Vec<_> = (0..3).map(|_| next(&settled)).collect();
    let tickets = |settled: &Settled| match settled {
        Settled::Committed { tickets, first_seq, .. } => (tickets.clone(), *first_seq),
        Settled::Failed { error, .. } => panic!("{error}"),
    };
    assert_eq!(commits.iter().map(tickets).collect::<Vec<_>>(), [(0..4, 0), (4..8, 4), (8..11, 8)]);
    group.close().unwrap();
    let (_, recovery) = Log::open(disk.io(), Path::new("/d"), options).unwrap();
    assert_eq!(recovery.next_seq, 10);
}

/// A failed write fails its commit and no other: the next one is made behind a recovery in place.
#[test]
fn the_commit_behind_a_failed_one_is_good() {
    let disk = disk();
    let (group, settled) = start(&disk, GroupOptions::default());
    group.append(append(b"good", Level::Durable)).unwrap();
    assert!(matches!(next(&settled), Settled::Committed { .. }));
    disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::WriteSynced));
    group.append(append(b"lost", Level::Durable)).unwrap();
    let Settled::Failed { error, .. } = next(&settled) else { panic!("acknowledged") };
    assert_eq!(*error.kind(), ErrorKind::SyncFailed);
    group.append(append(b"good again", Level::Durable)).unwrap();
    let Settled::Committed { first_seq, durable_seq, .. } = next(&settled) else { panic!("failed") };
    assert_eq!((first_seq, durable_seq), (1, 2));
    assert_eq!(reopened(&disk), 2);
    drop(group);
}

/// Records that are only written are durable after the interval, though nobody asks.
#[test]
fn what_is_written_becomes_durable() {
    let disk = disk();
    let sync_interval = Duration::from_millis(20);
    let (group, settled) = start(&disk, GroupOptions { sync_interval, ..GroupOptions::default() });
    group.append(append(b"written", Level::Written)).unwrap();
    let Settled::Committed { durable_seq, .. } = next(&settled) else { panic!("failed") };
    assert_eq!(durable_seq, 0);
    let mut waited = 0;
    while group.durable().seq < 1 {
        std::thread::sleep(Duration::from_millis(5));
        waited += 1;
        assert!(waited < 2000, "not durable after ten seconds");
    }
    assert_eq!(reopened(&disk), 1);
    drop(group);
}

struct Both {
    settled: Sender<Settled>,
    risen: Sender<u64>,
}

impl Listener for Both {
    fn settled(&self, settled: Settled) {
        drop(self.settled.send(settled));
    }

    fn risen(&self, durable_seq: u64) {
        self.risen.send(durable_seq).ok();
    }
}

/// Who waits for it is told, and can see it then; of a sync that has failed nothing is told.
#[test]
fn a_sync_in_the_background_is_told_of() {
    let disk = disk();
    let ((settled, _settled), (risen, told)) = (channel(), channel());
    let sync_interval = Duration::from_millis(20);
    let options = GroupOptions { sync_interval, ..GroupOptions::default() };
    let group = Group::start(open(&disk), options, Box::new(Both { settled, risen })).unwrap();
    group.append(append(b"written", Level::Written)).unwrap();
    assert_eq!(told.recv_timeout(Duration::from_secs(10)), Ok(1));
    assert_eq!((group.durable().seq, group.written().seq), (1, 1));
    assert_eq!(group.snapshot(Level::Durable).unwrap().next_seq(), 1);
    // A commit tells by itself.
    group.append(append(b"durable", Level::Durable)).unwrap();
    assert!(told.recv_timeout(Duration::from_millis(100)).is_err());
    disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::SyncData));
    group.append(append(b"written and lost", Level::Written)).unwrap();
    assert!(told.recv_timeout(Duration::from_millis(200)).is_err());
    assert_eq!((disk.faults_fired(), group.durable().seq, group.written().seq), (1, 2, 3));
}

/// A flush makes written records durable; one behind a sync that failed in the meantime says that they may be lost.
#[test]
fn a_flush_tells_the_truth() {
    let disk = disk();
    let sync_interval = Duration::from_millis(20);
    let (group, settled) = start(&disk, GroupOptions { sync_interval, ..GroupOptions::default() });
    group.append(append(b"written", Level::Written)).unwrap();
    group.flush().unwrap();
    let mut durable = 0;
    while durable < 1 {
        let Settled::Committed { durable_seq, .. } = next(&settled) else { panic!("failed") };
        durable = durable_seq;
    }
    disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::SyncData));
    group.append(append(b"written and lost", Level::Written)).unwrap();
    assert!(matches!(next(&settled), Settled::Committed { .. }));
    while disk.faults_fired() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(20));
    group.flush().unwrap();
    assert!(matches!(next(&settled), Settled::Failed { .. }), "a flush behind a failed sync succeeded");
    group.flush().unwrap();
    assert!(matches!(next(&settled), Settled::Committed { .. }));
}
