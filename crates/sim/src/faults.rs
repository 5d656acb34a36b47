//! Faults: which call is hit, and how.

use std::fmt;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use crate::call::{Call, CallKind};
use crate::crash::Keep;
use crate::rng::Rng;

/// What a fault does to the call it hits. Calls that an effect makes no sense for pass by it, uncounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Fails with this kind, and nothing was done. `Other` stands for EIO. Any call.
    Fail(ErrorKind),
    /// A write or `zero_range` that fails with this kind after some of its sectors, chosen by the seed, have reached
    /// the cache, where they are unsynced as any others; of a note a part from its start.
    Torn(ErrorKind),
    /// A read, write or note read of no more than so many bytes.
    Short(usize),
    /// The same, at a place chosen by the seed, of at least one byte.
    ShortAnywhere,
    /// The machine stops before the call does anything: this call and all later ones fail with an error that
    /// [`crate::is_stopped`] knows, up to the next crash. Any call.
    Stop,
    /// The call does all it was asked to, and then the machine stops, so that nobody learns of it. Any call.
    StopAfter,
    /// A write of which only a part from its start, chosen by the seed, reaches the cache when the machine stops.
    StopTorn,
    /// A sync or synced write that says that all is well and has made nothing durable. What it should have covered
    /// stays unsynced.
    LoseSync,
    /// A sync, synced write or writeback that fails the way Linux does: of the changes that it covers those that
    /// `keep` chooses reach the disk, and all of them are taken for clean from then on. The bytes of the rest live in
    /// the cache alone until they are evicted, and no later sync knows of them. Name operations stay in sight, and
    /// any subset of them survives a power cut.
    FailSync {
        /// What the call returns. `Other` stands for EIO; `StorageFull` is btrfs running out in reserved space.
        kind: ErrorKind,
        /// What reaches the disk nevertheless.
        keep: Keep,
    },
}

impl Effect {
    /// An opaque error without an effect.
    pub const EIO: Self = Self::Fail(ErrorKind::Other);
    /// The disk is full, and nothing was done.
    pub const ENOSPC: Self = Self::Fail(ErrorKind::StorageFull);
    /// Interrupted before anything was done.
    pub const EINTR: Self = Self::Fail(ErrorKind::Interrupted);
    /// [`Effect::FailSync`] with EIO, with nothing on the disk.
    pub const FAIL_SYNC: Self = Self::FailSync { kind: ErrorKind::Other, keep: Keep::None };

    fn applies_to(&self, kind: CallKind) -> bool {
        use CallKind::{
            Read, ReadNote, StartWriteback, SyncAll, SyncData, SyncDir, WaitWriteback, Write, WriteDirect,
            WriteDirectSynced, WriteNote, WriteSynced, ZeroRange,
        };
        let writes = matches!(kind, Write | WriteSynced | WriteDirect | WriteDirectSynced);
        let syncs = matches!(kind, WriteSynced | WriteDirectSynced | SyncData | SyncAll | SyncDir);
        match self {
            Self::Fail(_) | Self::Stop | Self::StopAfter => true,
            Self::Torn(_) => writes || matches!(kind, WriteNote | ZeroRange),
            Self::Short(_) | Self::ShortAnywhere => writes || matches!(kind, Read | ReadNote),
            Self::StopTorn => writes || kind == WriteNote,
            Self::LoseSync => syncs,
            Self::FailSync { .. } => syncs || matches!(kind, StartWriteback | WaitWriteback),
        }
    }
}

type Predicate = Arc<dyn Fn(&Call) -> bool + Send + Sync>;

#[derive(Clone, Copy, Debug)]
enum When {
    /// The call of this number.
    Call(u64),
    /// The k-th call that all filters let through.
    Nth(u64),
    Every,
    /// In a million.
    Chance(u32),
}

/// A fault waiting for its call: by default the first one that its filters let through, and once.
#[derive(Clone)]
pub struct Fault {
    effect: Effect,
    when: When,
    kinds: Vec<CallKind>,
    path: Option<Arc<Path>>,
    predicate: Option<Predicate>,
    matched: u64,
    times: u64,
}

impl Fault {
    /// Hits the next call that `effect` can be applied to.
    #[must_use]
    pub fn new(effect: Effect) -> Self {
        Self { effect, when: When::Nth(1), kinds: Vec::new(), path: None, predicate: None, matched: 0, times: 1 }
    }

    /// Hits the call with this number ([`Call::number`]), if the filters let it through.
    #[must_use]
    pub fn at_call(mut self, number: u64) -> Self {
        self.when = When::Call(number);
        self
    }

    /// Hits the `k`-th call from now on that the filters let through, counting from 1.
    #[must_use]
    pub fn nth(mut self, k: u64) -> Self {
        self.when = When::Nth(k);
        self
    }

    /// Hits every call that the filters let through.
    #[must_use]
    pub fn every(mut self) -> Self {
        self.when = When::Every;
        self.times = u64::MAX;
        self
    }

    /// Hits each call that the filters let through with so many chances in a million, by the disk's seed.
    #[must_use]
    pub fn chance(mut self, in_a_million: u32) -> Self {
        self.when = When::Chance(in_a_million);
        self.times = u64::MAX;
        self
    }

    /// Ends after so many hits.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Only calls of this kind; may be said more than once.
    #[must_use]
    pub fn kind(mut self, kind: CallKind) -> Self {
        self.kinds.push(kind);
        self
    }

    /// Only calls with this path, or with this last component of it.
    #[must_use]
    pub fn path(mut self, path: impl AsRef<Path>) -> Self {
        self.path = Some(Arc::from(path.as_ref()));
        self
    }

    /// Only calls that `predicate` is true for. It runs inside the disk, so that it must not call the disk itself.
    #[must_use]
    pub fn when(mut self, predicate: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Self {
        self.predicate = Some(Arc::new(predicate));
        self
    }

    fn lets_through(&self, call: &Call) -> bool {
        let path_fits = |path: &Arc<Path>| **path == *call.path || call.path.file_name() == Some(path.as_os_str());
        self.times > 0
            && (self.kinds.is_empty() || self.kinds.contains(&call.kind))
            && self.effect.applies_to(call.kind)
            && self.path.as_ref().is_none_or(path_fits)
            && self.predicate.as_ref().is_none_or(|predicate| predicate(call))
    }

    fn hits(&mut self, call: &Call, rng: &mut Rng) -> bool {
        if !self.lets_through(call) {
            return false;
        }
        self.matched += 1;
        let hit = match self.when {
            When::Call(number) => call.number == number,
            When::Nth(k) => self.matched == k,
            When::Every => true,
            When::Chance(part) => rng.chance(u64::from(part), 1_000_000),
        };
        if hit {
            self.times -= 1;
        }
        hit
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("effect", &self.effect)
            .field("when", &self.when)
            .field("kinds", &self.kinds)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// All faults of a disk. The first one that hits decides.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) faults: Vec<Fault>,
    pub(crate) fired: u64,
}

impl Plan {
    pub(crate) fn pick(&mut self, call: &Call, rng: &mut Rng) -> Option<Effect> {
        let effect = self.faults.iter_mut().find_map(|fault| fault.hits(call, rng).then(|| fault.effect.clone()))?;
        self.fired += 1;
        Some(effect)
    }
}
