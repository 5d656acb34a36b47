//! What a random program draws by lot: the options of its stream, its records, its faults.

use std::io::ErrorKind as Kind;

use pstream_core::stream::{LogOptions, Mode};
use pstream_sim::{CallKind, Effect, Fault, Keep, Rng, SectorModel};

use crate::harness::{aligned, record, sized};

/// The options of a stream, and the kind of disk that they are for.
pub fn options_of(rng: &mut Rng) -> (LogOptions, SectorModel) {
    let (first, full) = [(5, 5), (8, 8), (5, 20), (8, 32)][rng.below(4) as usize];
    let mut options = sized(first, full);
    if rng.chance(1, 3) {
        options = large_blocks(options, rng);
    }
    if rng.chance(1, 3) {
        options.direct.from = [0, 4000][rng.below(2) as usize];
        options.direct.piece = [4096, 16384][rng.below(2) as usize];
    }
    match rng.below(5) {
        0 | 1 => (aligned(options), SectorModel::Garble),
        2 => (aligned(options), SectorModel::PowerSafe),
        _ => (options, SectorModel::PowerSafe),
    }
}

fn large_blocks(mut options: LogOptions, rng: &mut Rng) -> LogOptions {
    options.block_size = 16384;
    options.first_file_size = Some(4 * 16384);
    options.file_size = [4, 8][rng.below(2) as usize] * 16384;
    options
}

/// What the next open may choose anew: the shape of files to come, where commits begin (on a disk that garbles what it
/// rewrites always in a sector of their own), and salvage, which is none on a stream that is not damaged.
pub fn other_options(options: &LogOptions, garbles: bool, rng: &mut Rng) -> LogOptions {
    let (other, _) = options_of(rng);
    let aligned = garbles || rng.chance(1, 2);
    let recovery = if rng.chance(1, 2) { Mode::Salvage } else { Mode::Strict };
    if rng.chance(1, 2) {
        LogOptions { aligned, recovery, ..other }
    } else {
        LogOptions { recovery, ..options.clone() }
    }
}

/// Records for one commit. Some have the same bytes again and again: what failed and what is tried again must not add
/// up to a whole.
pub fn records(rng: &mut Rng, number: &mut u64) -> Vec<Vec<u8>> {
    let count = 1 + rng.below(3) * rng.below(5);
    let len = [0, 7, 100, 900, 3900, 4032, 7000][rng.below(7) as usize];
    let same = rng.chance(1, 6);
    let records = (0..count).map(|_| {
        if !same {
            *number += 1;
        }
        record(if same { 7 } else { *number }, len + rng.below(40) as usize)
    });
    records.collect()
}

/// A call that fails, and whether it is a sync that lies afterwards.
pub fn fault(rng: &mut Rng) -> (Fault, bool) {
    let keep = Keep::any(rng.next_u64());
    let effect = match rng.below(9) {
        0 => Effect::EIO,
        1 | 2 => Effect::FailSync { kind: Kind::Other, keep },
        3 => Effect::FailSync { kind: Kind::StorageFull, keep },
        4 => Effect::Torn(Kind::Other),
        5 => Effect::ENOSPC,
        6 => Effect::Torn(Kind::StorageFull),
        7 => Effect::ShortAnywhere,
        _ => Effect::EINTR,
    };
    let lies = matches!(effect, Effect::FailSync { .. });
    let fault = Fault::new(effect).nth(1 + rng.below(12));
    // A folder's sync that fails and then lies, in front of releases or new files, is beyond what the protocol
    // promises: a folder cannot be evicted, and journaling file systems stop at such an error.
    let fault = if lies { fault.when(|call| call.kind != CallKind::SyncDir) } else { fault };
    if rng.chance(1, 2) {
        return (on_writes(fault), lies);
    }
    (fault, lies)
}

/// At calls that write or sync.
fn on_writes(fault: Fault) -> Fault {
    use CallKind::{SyncData, Write, WriteDirect, WriteDirectSynced, WriteSynced};
    [Write, WriteSynced, WriteDirect, WriteDirectSynced, SyncData].into_iter().fold(fault, Fault::kind)
}

/// A call at which the machine stops.
pub fn stop(rng: &mut Rng, opening: bool) -> Fault {
    let effect = [Effect::Stop, Effect::StopAfter, Effect::StopTorn][rng.below(3) as usize].clone();
    let fault = Fault::new(effect);
    let writes = rng.chance(1, 2);
    if opening && rng.chance(1, 4) {
        fault.nth(1 + rng.below(2)).kind(CallKind::ZeroRange).kind(CallKind::SyncAll)
    } else if writes {
        on_writes(fault).nth(1 + rng.below(6)).kind(CallKind::ZeroRange)
    } else {
        fault.nth(1 + rng.below(if opening { 60 } else { 12 }))
    }
}
