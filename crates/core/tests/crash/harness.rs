//! Walking through the calls of a program, and through what a crash at each of them can leave behind.

use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;

use pstream_core::io::Io;
use pstream_core::{BlockFile, CreateOptions, FileOptions, FileSequence, SequenceOptions, Shape};
use pstream_sim::{Effect, Fault, Keep, SimDisk};

/// Blocks of 4 KiB: the smallest there are.
pub const SHIFT: u32 = 12;
pub const BLOCK: usize = 1 << SHIFT;

/// A disk with the folder `/d` on it, nothing of which is unsynced.
pub fn disk(seed: u64) -> SimDisk {
    let disk = SimDisk::new(seed);
    disk.io().create_dir(Path::new("/d")).unwrap();
    rest(&disk);
    disk
}

/// Makes everything durable and ends the process: the state from which a walk starts.
pub fn rest(disk: &SimDisk) {
    disk.settle();
    disk.power_cut(&Keep::All);
}

pub fn shape(blocks: u64) -> Shape {
    Shape::new(blocks, SHIFT).unwrap()
}

pub fn create(io: &dyn Io, path: &str, blocks: u64) -> BlockFile {
    BlockFile::create(io, Path::new(path), shape(blocks), CreateOptions::default()).unwrap()
}

pub fn open(io: &dyn Io, path: &str) -> pstream_core::Result<BlockFile> {
    BlockFile::open(io, Path::new(path), SHIFT, FileOptions::default())
}

pub fn open_sequence(io: &Arc<dyn Io>, name: &str) -> pstream_core::Result<FileSequence> {
    FileSequence::open(Arc::clone(io), Path::new("/d"), name, shape(2), SequenceOptions::default())
}

/// A block full of one byte.
pub fn block_of(byte: u8) -> Vec<u8> {
    vec![byte; BLOCK]
}

pub fn load(file: &BlockFile, block: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0xee; len];
    file.load_bytes(block, &mut bytes).unwrap();
    bytes
}

pub fn store_pair(file: &BlockFile, block: u64, bytes: &[u8]) -> pstream_core::Result<()> {
    let (head, body) = bytes.split_at(48);
    file.store(block, &[IoSlice::new(head), IoSlice::new(body)])
}

/// The cuts to look at: every subset while they are few, else the two extremes and a number of others.
fn cuts(disk: &SimDisk, others: u64, seed: u64) -> Vec<Keep> {
    let bits = disk.unsynced();
    if bits <= 5 {
        return (0..1_u64 << bits).map(Keep::Mask).collect();
    }
    let chosen = (0..others).map(|number| Keep::any(seed.wrapping_mul(1000).wrapping_add(number)));
    [Keep::None, Keep::All].into_iter().chain(chosen).collect()
}

/// Runs `program` on copies of `start`, stopped before, after and in the midst of every IO call it makes, and hands
/// every state that a power cut or a kill can leave to `check`, with what the program returned. Says how many states
/// there were, so that a walk over nothing cannot pass for a test.
pub fn stop_everywhere<T>(
    start: &SimDisk,
    others: u64,
    program: impl Fn(&Arc<dyn Io>) -> T,
    check: impl Fn(&SimDisk, &T, &str),
) -> u64 {
    let mut states = 0;
    for effect in [Effect::Stop, Effect::StopAfter, Effect::StopTorn] {
        for nth in 1.. {
            let disk = start.fork();
            disk.inject(Fault::new(effect.clone()).nth(nth));
            let outcome = program(&disk.io());
            let stopped = disk.is_stopped();
            if stopped || effect == Effect::Stop {
                states += crash_states(&disk, others, nth, &outcome, &check, &format!("{effect:?} at call {nth}"));
            }
            if !stopped {
                break;
            }
        }
    }
    states
}

/// Runs `program` on copies of `start`, one of its calls failing, each in turn; then as [`stop_everywhere`].
pub fn fail_everywhere<T>(
    start: &SimDisk,
    others: u64,
    effects: &[Effect],
    program: impl Fn(&Arc<dyn Io>) -> T,
    check: impl Fn(&SimDisk, &T, &str),
) -> u64 {
    let mut states = 0;
    for effect in effects {
        for nth in 1.. {
            let disk = start.fork();
            disk.inject(Fault::new(effect.clone()).nth(nth));
            let outcome = program(&disk.io());
            if disk.faults_fired() == 0 {
                break;
            }
            states += crash_states(&disk, others, nth, &outcome, &check, &format!("{effect:?} at call {nth}"));
        }
    }
    states
}

fn crash_states<T>(
    disk: &SimDisk,
    others: u64,
    seed: u64,
    outcome: &T,
    check: &impl Fn(&SimDisk, &T, &str),
    what: &str,
) -> u64 {
    let mut states = 0;
    for keep in cuts(disk, others, seed) {
        let after = disk.fork_after(&keep);
        after.clear_faults();
        check(&after, outcome, &format!("{what}, power cut keeping {keep:?}"));
        states += 1;
    }
    let after = disk.fork();
    after.process_crash();
    after.clear_faults();
    check(&after, outcome, &format!("{what}, killed"));
    states + 1
}
