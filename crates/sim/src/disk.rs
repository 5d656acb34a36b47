//! The handle that tests hold: settings, crashes, faults, processes, time.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use pstream_core::io::Io;

use crate::call::CallKind;
use crate::crash::{Keep, Unsynced};
use crate::faults::{Effect, Fault};
use crate::io::SimIo;
use crate::rng::Rng;
use crate::trace::TraceEntry;
use crate::world::{World, lock};

const DEFAULT_PID: u32 = 1000;

/// What a power cut does to a sector that was being rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SectorModel {
    /// Each 512-byte sector is old or new.
    #[default]
    PowerSafe,
    /// A 4,096-byte page that was on the disk, or may have been brought there since, and has an unsynced sector may
    /// also become garbage, with those of its bytes that nobody changed.
    Garble,
    /// As [`SectorModel::Garble`], and also pages that are written for the first time.
    GarbleAny,
}

/// What [`pstream_core::io::IoFile::residency`] can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ResidencyModel {
    /// Whole cached pages are counted.
    #[default]
    Counted,
    /// It cannot be told.
    Unknown,
    /// The file system says that it is in memory.
    InMemory,
}

/// A simulated machine with one disk, as one of its processes sees it. Clones are the same machine and process.
#[derive(Clone)]
pub struct SimDisk {
    world: Arc<Mutex<World>>,
    pid: u32,
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimDisk").field("pid", &self.pid).finish_non_exhaustive()
    }
}

impl SimDisk {
    /// An empty disk, with nothing but `/`. The seed decides what is left to chance.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { world: Arc::new(Mutex::new(World::new(seed))), pid: DEFAULT_PID }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    /// The seam, for the process that this view belongs to; the process is started if it does not live. It dies with
    /// the process: after a crash take a new one.
    #[must_use]
    pub fn io(&self) -> Arc<dyn Io> {
        let life = self.world().life_of(self.pid);
        Arc::new(SimIo::new(Arc::clone(&self.world), life))
    }

    /// The same machine, seen by another process.
    #[must_use]
    pub fn as_process(&self, pid: u32) -> Self {
        Self { world: Arc::clone(&self.world), pid }
    }

    /// An independent copy of the whole machine at this moment: cheap, since pages are shared until they are changed.
    /// Handles and [`Io`]s stay with the original; the copy has their locks, so that it should be crashed first.
    #[must_use]
    pub fn fork(&self) -> Self {
        let world = self.world().clone();
        Self { world: Arc::new(Mutex::new(world)), pid: self.pid }
    }

    // Crashes.

    /// Cuts the power: cache, processes, handles and locks are gone, and of the unsynced changes those that `keep`
    /// does not choose. The disk is ready for the next start; faults that have not hit yet stay armed.
    pub fn power_cut(&self, keep: &Keep) {
        self.world().power_cut(keep);
    }

    /// What is left after cutting the power of a copy: [`SimDisk::fork`] and [`SimDisk::power_cut`].
    #[must_use]
    pub fn fork_after(&self, keep: &Keep) -> Self {
        let fork = self.fork();
        fork.power_cut(keep);
        fork
    }

    /// Kills the process of this view: its handles fail from now on, its locks are free, all else stays. Starts a
    /// stopped machine again.
    pub fn process_crash(&self) {
        self.world().process_crash(self.pid);
    }

    /// How many bits a power cut decides about: a test can enumerate [`Keep::Mask`] while they are few.
    #[must_use]
    pub fn unsynced(&self) -> usize {
        self.world().unsynced_count()
    }

    /// What those bits stand for, in their order.
    #[must_use]
    pub fn unsynced_changes(&self) -> Vec<Unsynced> {
        self.world().unsynced()
    }

    /// Makes everything durable, as `sync` does.
    pub fn settle(&self) {
        self.world().settle();
    }

    // Faults.

    /// Arms a fault.
    pub fn inject(&self, fault: Fault) {
        self.world().plan.faults.push(fault);
    }

    /// Disarms all faults, [`SimDisk::unsupported`] among them.
    pub fn clear_faults(&self) {
        self.world().plan.faults.clear();
    }

    /// How many times faults have hit: tells a test that walks through all calls when it is past the last one.
    #[must_use]
    pub fn faults_fired(&self) -> u64 {
        self.world().plan.fired
    }

    /// From now on the file system lacks this kind of call.
    pub fn unsupported(&self, kind: CallKind) {
        self.inject(Fault::new(Effect::Fail(std::io::ErrorKind::Unsupported)).kind(kind).every());
    }

    /// Whether [`Effect::Stop`] or its kin has stopped the machine.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.world().stopped
    }

    // Settings.

    /// What a power cut does to sectors being rewritten. Default: [`SectorModel::PowerSafe`].
    pub fn set_sector_model(&self, model: SectorModel) {
        self.world().config.model = model;
    }

    /// Whether a power cut may find a version of a sector that was overwritten before any sync, since writeback may
    /// have happened in between. Default: true. Without it each unsynced sector is one bit.
    pub fn set_versions(&self, keep: bool) {
        self.world().config.versions = keep;
    }

    /// How many bytes the disk has for reserved and written pages; names take none. Default: no limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.world().config.capacity = bytes;
    }

    /// Bytes taken by reserved and written pages.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.world().used()
    }

    /// What is told of the page cache. Default: [`ResidencyModel::Counted`].
    pub fn set_residency(&self, model: ResidencyModel) {
        self.world().config.residency = model;
    }

    /// Whether files created from now on keep former contents of their sectors for [`SimDisk::revert_sector`].
    /// Default: false.
    pub fn set_history(&self, keep: bool) {
        self.world().config.history = keep;
    }

    /// What [`Io::random`] gives from now on, whatever the seed of the disk: two disks with the same number here hold
    /// the same bytes after the same calls.
    pub fn set_randomness(&self, seed: u64) {
        self.world().random = Rng::new(seed);
    }

    // Time.

    /// The wall clock.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.world().clock
    }

    /// Sets the wall clock, also back.
    pub fn set_now(&self, since_epoch: Duration) {
        self.world().clock = since_epoch;
    }

    // Trace.

    /// How many calls there were.
    #[must_use]
    pub fn call_count(&self) -> u64 {
        self.world().calls
    }

    /// Starts a new recording of calls, or ends it.
    pub fn record(&self, on: bool) {
        self.world().trace = on.then(Vec::new);
    }

    /// The calls recorded so far.
    #[must_use]
    pub fn trace(&self) -> Vec<TraceEntry> {
        self.world().trace.clone().unwrap_or_default()
    }

    /// The recorded calls, one a line, for a test to print when it fails.
    #[must_use]
    pub fn trace_text(&self) -> String {
        self.trace().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    /// Makes `path` a symbolic link to `target`, durably.
    pub fn symlink(&self, target: impl AsRef<Path>, path: impl AsRef<Path>) -> std::io::Result<()> {
        self.world().symlink(target.as_ref(), path.as_ref())
    }
}
