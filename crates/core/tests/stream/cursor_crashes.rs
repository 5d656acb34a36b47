//! Cursors, stopped and failed at every call: what a power cut leaves is a position that was acknowledged, or one that was
//! on its way.

use pstream_core::stream::cursor::Cursor;
use pstream_core::{ErrorKind, Result};
use pstream_sim::{CallKind, Effect, Fault, Keep, ResidencyModel, SectorModel, SimDisk};

use crate::cursors::{SLOTS, floor, folder, id, make, reopen};
use crate::harness::{disk, rest};

/// `None`: there is no cursor.
type Position = Option<u64>;

#[derive(Clone, Copy, Debug)]
enum Step {
    Make(u64),
    Commit(u64),
    Seek(u64),
    Close,
    Delete,
}

const END: u64 = 1000;

/// Back and forth, closed in between, deleted and made anew.
const PROGRAM: [Step; 14] = [
    Step::Make(5),
    Step::Commit(9),
    Step::Commit(19),
    Step::Seek(3),
    Step::Commit(29),
    Step::Close,
    Step::Make(999),
    Step::Commit(39),
    Step::Seek(50),
    Step::Close,
    Step::Delete,
    Step::Make(7),
    Step::Seek(1),
    Step::Commit(4),
];

/// What the disk may say, as of what was acknowledged and what was begun.
#[derive(Clone, Debug)]
struct Allowed(Vec<Position>);

impl Allowed {
    fn last(&self) -> Position {
        *self.0.last().unwrap()
    }
}

/// Runs the program up to where the machine stops. Steps that fail are passed over, as a consumer would that tries again.
fn run(disk: &SimDisk) -> Allowed {
    let mut allowed = Allowed(vec![None]);
    let mut cursor: Option<Cursor> = None;
    for step in PROGRAM {
        let before = allowed.last();
        let done: Result<Position> = match (step, &mut cursor) {
            (Step::Make(at), held) => {
                if allowed.0.contains(&None) {
                    allowed.0.extend([Some(at), before]);
                }
                let opened = folder(disk).open("c", id(), || Ok(at));
                opened.map(|opened| Some(held.insert(opened).position()))
            }
            (Step::Delete, _) => {
                allowed.0.extend([None, before]);
                match folder(disk).delete("c", id()) {
                    Err(error) if *error.kind() == ErrorKind::NotFound => Ok(None),
                    done => done.map(|()| None),
                }
            }
            (Step::Close, held) => {
                *held = None;
                continue;
            }
            (Step::Commit(seq), Some(cursor)) => {
                allowed.0.extend([Some(seq + 1), before]);
                cursor.commit(seq, END).map(|()| Some(cursor.position()))
            }
            (Step::Seek(to), Some(cursor)) => {
                allowed.0.extend([Some(to), before]);
                cursor.seek(|| Ok(to)).map(|()| Some(cursor.position()))
            }
            (_, None) => continue,
        };
        if disk.is_stopped() {
            break;
        }
        if let Ok(position) = done {
            assert!(allowed.0.contains(&position), "{step:?}: {position:?}");
            // What was acknowledged before does not count any more.
            allowed = Allowed(vec![position]);
        }
    }
    allowed
}

/// Opened, it stands where it may; and what retention kept is enough for that.
fn look(after: &SimDisk, allowed: &Allowed, kept: Position, what: &str) {
    let mut made = false;
    let opened = folder(after).open("c", id(), || {
        made = true;
        Ok(0)
    });
    let cursor = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
    let position = (!made).then(|| cursor.position());
    assert!(allowed.0.contains(&position), "{what}: {position:?}, allowed {allowed:?}");
    if let (Some(position), Some(kept)) = (position, kept) {
        assert!(kept <= position, "{what}: at {position}, and {kept} was kept");
    }
}

fn cuts(disk: &SimDisk, seed: u64) -> Vec<Keep> {
    let bits = disk.unsynced();
    if bits <= 4 {
        return (0..1_u64 << bits).map(Keep::Mask).collect();
    }
    let others = (0..6).map(|number| Keep::any(seed * 100 + number));
    [Keep::None, Keep::All].into_iter().chain(others).collect()
}

fn walk(model: SectorModel, residency: ResidencyModel) {
    let start = disk(31);
    start.set_sector_model(model);
    start.set_residency(residency);
    rest(&start);
    let effects = [
        Effect::Stop,
        Effect::StopAfter,
        Effect::StopTorn,
        Effect::EIO,
        Effect::ENOSPC,
        Effect::EINTR,
        Effect::Torn(std::io::ErrorKind::Other),
        Effect::Short(7),
        Effect::FAIL_SYNC,
        Effect::FailSync { kind: std::io::ErrorKind::StorageFull, keep: Keep::any(5) },
    ];
    let mut states = 0;
    for effect in effects {
        for nth in 1.. {
            let disk = start.fork();
            let lies = matches!(effect, Effect::FailSync { .. });
            let fault = Fault::new(effect.clone()).nth(nth);
            // What a sync of a folder does that fails and then lies is a boundary of its own: see `boundaries`.
            let fault = if lies { fault.when(|call| call.kind != CallKind::SyncDir) } else { fault };
            disk.inject(fault);
            let allowed = run(&disk);
            if disk.faults_fired() == 0 {
                break;
            }
            let what = format!("{model:?}, {effect:?} at call {nth}");
            disk.clear_faults();
            let kept = if disk.is_stopped() { None } else { floor(&disk) };
            for keep in cuts(&disk, nth) {
                let what = format!("{what}, power cut keeping {keep:?}");
                look(&disk.fork_after(&keep), &allowed, kept, &what);
                states += 1;
            }
            let killed = disk.fork();
            killed.process_crash();
            killed.clear_faults();
            let kept = floor(&killed);
            look(&killed, &allowed, kept, &format!("{what}, killed"));
            // What an open has shown is durable, whatever the last consumer has left unsynced.
            let position = folder(&killed).open("c", id(), || Ok(0)).unwrap().position();
            killed.power_cut(&Keep::None);
            assert_eq!(reopen(&killed).position(), position, "{what}, killed, opened, power cut");
        }
    }
    assert!(states > 2000, "{states}");
}

#[test]
fn at_every_call() {
    walk(SectorModel::PowerSafe, ResidencyModel::Counted);
}

#[test]
fn at_every_call_on_a_disk_that_garbles_what_it_writes() {
    walk(SectorModel::Garble, ResidencyModel::Counted);
}

#[test]
fn at_every_call_where_the_cache_cannot_be_looked_into() {
    walk(SectorModel::PowerSafe, ResidencyModel::Unknown);
}

/// At each moment of a commit that a power cut may hit, retention has kept enough: also behind failed writes.
#[test]
fn what_is_kept_is_what_a_crash_may_bring_back() {
    for seed in 0..300 {
        let disk = disk(seed);
        disk.set_sector_model(if seed % 2 == 0 { SectorModel::Garble } else { SectorModel::PowerSafe });
        let mut rng = pstream_sim::Rng::new(seed);
        let mut cursor = make(&disk, 500);
        for _ in 0..20 {
            let effect = match rng.below(6) {
                0 => Some(Effect::EIO),
                1 => Some(Effect::FAIL_SYNC),
                2 => Some(Effect::FailSync { kind: std::io::ErrorKind::Other, keep: Keep::any(seed) }),
                _ => None,
            };
            if let Some(effect) = effect {
                disk.inject(Fault::new(effect).nth(1 + rng.below(4)));
            }
            let to = rng.below(END);
            let done = if rng.below(2) == 0 { cursor.seek(|| Ok(to)) } else { cursor.commit(to, END) };
            drop(done);
            disk.clear_faults();
            let kept = floor(&disk).unwrap();
            for keep in cuts(&disk, seed) {
                let after = disk.fork_after(&keep);
                let position = reopen(&after).position();
                assert!(kept <= position, "seed {seed}, {keep:?}: at {position}, and {kept} was kept");
            }
        }
    }
}

fn flip(disk: &SimDisk, bit: u64) {
    disk.flip_bit(SLOTS, bit / 8, (bit % 8) as u32).unwrap();
}

/// Where the newest slot and the other one are.
fn slots(disk: &SimDisk) -> [u64; 2] {
    let counter = |at: u64| disk.cached_bytes(SLOTS, at + 24..at + 32).unwrap();
    if counter(0) > counter(4096) { [0, 4096] } else { [4096, 0] }
}

#[test]
fn a_damaged_slot_costs_a_commit_at_most_and_says_so() {
    let start = disk(41);
    let mut cursor = make(&start, 5);
    cursor.commit(9, END).unwrap();
    cursor.commit(19, END).unwrap();
    drop(cursor);
    rest(&start);
    let [newest, other] = slots(&start);
    for (slot, position) in [(newest, 10), (other, 20)] {
        for bit in 0..40 * 8 {
            let disk = start.fork();
            flip(&disk, slot * 8 + bit);
            // A later version, by chance: nobody knows what it says.
            let newer = bit / 8 == 3 && bit != 24;
            let listed = folder(&disk).list(id()).unwrap().pop().unwrap().state;
            if newer {
                assert_eq!(*listed.unwrap_err().kind(), ErrorKind::Unsupported);
                assert_eq!(floor(&disk), Some(0));
                continue;
            }
            let listed = listed.unwrap();
            assert_eq!((listed.slot.position, listed.damaged), (position, true), "bit {bit} at {slot}");
            assert_eq!(floor(&disk), Some(position));
            let cursor = reopen(&disk);
            assert_eq!((cursor.position(), cursor.damaged()), (position, true), "bit {bit} at {slot}");
            drop(cursor);
            disk.power_cut(&Keep::None);
            let cursor = reopen(&disk);
            assert_eq!((cursor.position(), cursor.damaged()), (position, false), "both are good again");
        }
    }
}

#[test]
fn a_damaged_cursor_is_an_error_and_keeps_all_until_it_is_deleted() {
    let disk = disk(42);
    drop(make(&disk, 5));
    rest(&disk);
    flip(&disk, 100);
    flip(&disk, 4096 * 8 + 100);
    let error = folder(&disk).open("c", id(), || panic!("not from the start")).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Corrupt(_)), "{error}");
    assert!(error.path().is_some_and(|path| path.ends_with("cursor.c")));
    let listed = folder(&disk).list(id()).unwrap().pop().unwrap();
    assert!(matches!(listed.state.unwrap_err().kind(), ErrorKind::Corrupt(_)));
    assert_eq!(floor(&disk), Some(0));
    folder(&disk).delete("c", id()).unwrap();
    assert_eq!(floor(&disk), None);
    assert_eq!(make(&disk, 8).position(), 8);
}

#[test]
fn a_sector_that_cannot_be_read_is_a_damaged_slot() {
    let disk = disk(43);
    let mut cursor = make(&disk, 5);
    cursor.commit(9, END).unwrap();
    drop(cursor);
    rest(&disk);
    let [newest, _] = slots(&disk);
    let bad = move |call: &pstream_sim::Call| call.offset == newest;
    disk.inject(Fault::new(Effect::EIO).kind(CallKind::Read).path(SLOTS).when(bad).every());
    let cursor = reopen(&disk);
    assert_eq!((cursor.position(), cursor.damaged()), (5, true));
}

#[test]
fn a_foreign_file_in_its_place_is_refused() {
    for content in [&b""[..], &b"somebody else's"[..], &[7; 4096][..], &[0; 8192][..]] {
        let disk = disk(44);
        drop(make(&disk, 5));
        disk.io().remove_file(std::path::Path::new(SLOTS)).unwrap();
        disk.io().write_note(std::path::Path::new(SLOTS), 0o600, content).unwrap();
        let error = folder(&disk).open("c", id(), || panic!("it may be ours")).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Corrupt(_)), "{error}");
        assert_eq!(floor(&disk), Some(0));
    }
}

/// Somebody was told that it could not be deleted for sure, and asks again.
#[test]
fn what_is_not_there_will_not_come_back() {
    let disk = disk(45);
    drop(make(&disk, 5));
    rest(&disk);
    disk.inject(Fault::new(Effect::EIO).kind(CallKind::SyncDir));
    assert_eq!(*folder(&disk).delete("c", id()).unwrap_err().kind(), ErrorKind::SyncFailed);
    assert_eq!(*folder(&disk).delete("c", id()).unwrap_err().kind(), ErrorKind::NotFound);
    disk.power_cut(&Keep::None);
    assert_eq!(folder(&disk).list(id()).unwrap().len(), 0);
}

/// A sync fails, its bytes stay in the page cache, and nothing gets them out of there: what the next consumer is shown stays.
#[test]
fn what_is_shown_is_durable_where_the_cache_stays() {
    for residency in [ResidencyModel::Counted, ResidencyModel::Unknown] {
        let disk = disk(46);
        disk.set_residency(residency);
        let mut cursor = make(&disk, 5);
        cursor.commit(9, END).unwrap();
        disk.pin_cache(SLOTS, true).unwrap();
        disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::WriteSynced));
        cursor.commit(19, END).unwrap_err();
        drop(cursor);
        let shown = reopen(&disk).position();
        assert_eq!(shown, 20, "what the cache has");
        disk.power_cut(&Keep::None);
        assert_eq!(reopen(&disk).position(), shown, "{residency:?}");
    }
}
