//! The machine: nodes, names, processes, handles, and the one way into it for every call.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::call::Call;
use crate::content::{Content, Journal};
use crate::disk::{ResidencyModel, SectorModel};
use crate::error;
use crate::faults::{Effect, Plan};
use crate::names::{Names, NodeId, Place, ROOT, What};
use crate::pages::{PAGE, pages_of};
use crate::rng::Rng;
use crate::trace::TraceEntry;

/// What a name can stand for.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    File(Arc<Content>),
    Dir,
    Symlink(PathBuf),
}

/// One life of a process: a later one with the same id is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) pid: u32,
    pub(crate) number: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Handle {
    pub(crate) node: NodeId,
    pub(crate) life: Life,
}

/// What a test may choose.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) model: SectorModel,
    pub(crate) versions: bool,
    pub(crate) history: bool,
    pub(crate) capacity: Option<u64>,
    pub(crate) residency: ResidencyModel,
}

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) nodes: BTreeMap<NodeId, Node>,
    pub(crate) names: Names,
    pub(crate) processes: BTreeMap<u32, Life>,
    pub(crate) handles: BTreeMap<u64, Handle>,
    /// Which handle holds the lock of a file.
    pub(crate) locks: BTreeMap<NodeId, u64>,
    pub(crate) plan: Plan,
    pub(crate) rng: Rng,
    /// What the processes get that ask for a random number.
    pub(crate) random: Rng,
    pub(crate) calls: u64,
    pub(crate) stopped: bool,
    pub(crate) trace: Option<Vec<TraceEntry>>,
    pub(crate) clock: Duration,
    pub(crate) boots: u64,
    /// The last unsynced change; they are numbered over the whole disk.
    pub(crate) order: u64,
    last_id: u64,
}

/// The world, whatever a test that panicked has left of it.
pub(crate) fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let config = Config {
            model: SectorModel::PowerSafe,
            versions: true,
            history: false,
            capacity: None,
            residency: ResidencyModel::Counted,
        };
        Self {
            config,
            nodes: BTreeMap::from([(ROOT, Node::Dir)]),
            names: Names::new(),
            processes: BTreeMap::new(),
            handles: BTreeMap::new(),
            locks: BTreeMap::new(),
            plan: Plan::default(),
            rng: Rng::new(seed),
            random: Rng::new(!seed),
            calls: 0,
            stopped: false,
            trace: None,
            // Some time in 2026, so that no date looks unset.
            clock: Duration::from_secs(1_780_000_000),
            boots: 1,
            order: 0,
            last_id: ROOT,
        }
    }

    pub(crate) fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(crate) fn next_order(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    /// The life that the process `pid` lives now; it is born if it is not alive.
    pub(crate) fn life_of(&mut self, pid: u32) -> Life {
        if let Some(life) = self.processes.get(&pid) {
            return *life;
        }
        let life = Life { pid, number: self.new_id() };
        self.processes.insert(pid, life);
        life
    }

    /// Numbers a call, lets a fault hit it, does it, and records it.
    pub(crate) fn run<T>(
        &mut self,
        life: Life,
        mut call: Call,
        act: impl FnOnce(&mut Self, Option<&Effect>) -> Result<T>,
    ) -> Result<T> {
        if self.processes.get(&life.pid) != Some(&life) {
            return Err(error::dead());
        }
        if self.stopped {
            return Err(error::stopped());
        }
        self.calls += 1;
        call.number = self.calls;
        call.pid = life.pid;
        let effect = self.plan.pick(&call, &mut self.rng);
        let result = match &effect {
            Some(Effect::Fail(kind)) => Err(error::failure(*kind)),
            Some(Effect::Stop) => Err(error::stopped()),
            Some(Effect::StopAfter) => act(self, None).and(Err(error::stopped())),
            Some(Effect::StopTorn) => act(self, effect.as_ref()).and(Err(error::stopped())),
            effect => act(self, effect.as_ref()),
        };
        // A stop is a stop, also where the call itself would have failed.
        let stops = matches!(effect, Some(Effect::Stop | Effect::StopAfter | Effect::StopTorn));
        self.stopped |= stops;
        let result = if stops { Err(error::stopped()) } else { result };
        if let Some(trace) = &mut self.trace {
            let fault = effect.map(|effect| format!("{effect:?}"));
            trace.push(TraceEntry::new(&call, fault, result.as_ref().err().map(ToString::to_string)));
        }
        result
    }

    pub(crate) fn add_node(&mut self, node: Node) -> NodeId {
        let id = self.new_id();
        if matches!(node, Node::Dir) {
            self.names.add_dir(id);
        }
        self.nodes.insert(id, node);
        id
    }

    pub(crate) fn new_file(&self) -> Node {
        let history = self.config.history.then(BTreeMap::new);
        Node::File(Arc::new(Content { history, ..Content::default() }))
    }

    /// Gives a node its first name.
    pub(crate) fn link(&mut self, node: NodeId, place: Place) {
        let order = self.next_order();
        self.names.perform(order, node, What::Link(place));
    }

    /// A handle on a regular file.
    pub(crate) fn open_node(&mut self, node: NodeId, life: Life) -> Result<(u64, NodeId)> {
        match self.nodes.get(&node) {
            Some(Node::File(_)) => {
                let id = self.new_id();
                self.handles.insert(id, Handle { node, life });
                Ok((id, node))
            }
            _ => Err(error::invalid("not a regular file")),
        }
    }

    pub(crate) fn close(&mut self, handle: u64) {
        if let Some(Handle { node, .. }) = self.handles.remove(&handle)
            && self.locks.get(&node) == Some(&handle)
        {
            self.locks.remove(&node);
        }
    }

    pub(crate) fn file(&self, node: NodeId) -> Result<&Arc<Content>> {
        match self.nodes.get(&node) {
            Some(Node::File(content)) => Ok(content),
            _ => Err(error::invalid("not a regular file")),
        }
    }

    /// The file to be changed, and the journal that remembers its changes.
    pub(crate) fn file_mut(&mut self, node: NodeId) -> Result<(&mut Content, Journal<'_>)> {
        match self.nodes.get_mut(&node) {
            Some(Node::File(content)) => {
                let journal = Journal { order: &mut self.order, versions: self.config.versions };
                Ok((Arc::make_mut(content), journal))
            }
            _ => Err(error::invalid("not a regular file")),
        }
    }

    /// The file at `path`, not following a link.
    pub(crate) fn file_at(&self, path: &Path) -> Result<NodeId> {
        let node = self.resolve(path, false)?.existing()?;
        self.file(node).map(|_| node)
    }

    /// The folder at `path`, not following a link.
    pub(crate) fn dir_at(&self, path: &Path) -> Result<NodeId> {
        let node = self.resolve(path, false)?.existing()?;
        match self.nodes.get(&node) {
            Some(Node::Dir) => Ok(node),
            _ => Err(ErrorKind::NotADirectory.into()),
        }
    }

    /// The names in a folder, with what they stand for.
    pub(crate) fn entries(&self, dir: NodeId) -> Vec<(Arc<OsStr>, NodeId)> {
        let names = self.names.cached.get(&dir).into_iter().flatten();
        names.map(|(name, node)| (Arc::clone(name), *node)).collect()
    }

    /// Space that is taken by what has a name or is open.
    pub(crate) fn used(&self) -> u64 {
        let mut living = self.names.in_sight();
        living.extend(self.handles.values().map(|handle| handle.node));
        let files = living.iter().filter_map(|node| match self.nodes.get(node) {
            Some(Node::File(content)) => Some(content.allocated()),
            _ => None,
        });
        files.sum()
    }

    /// How much of a write of `len` bytes at `offset` there is space for.
    pub(crate) fn room(&self, node: NodeId, offset: u64, len: u64) -> Result<u64> {
        let Some(capacity) = self.config.capacity else { return Ok(len) };
        let content = self.file(node)?;
        let mut free = None;
        for page in pages_of(&(offset..offset + len)) {
            if content.has_space(page) {
                continue;
            }
            let left = free.unwrap_or_else(|| capacity.saturating_sub(self.used()));
            if left < PAGE {
                let fits = (page * PAGE).saturating_sub(offset);
                return if fits == 0 { Err(no_space()) } else { Ok(fits) };
            }
            free = Some(left - PAGE);
        }
        Ok(len)
    }

    /// Whether `more` bytes can be reserved.
    pub(crate) fn check_room(&self, more: u64) -> Result<()> {
        match self.config.capacity {
            Some(capacity) if capacity.saturating_sub(self.used()) < more => Err(no_space()),
            _ => Ok(()),
        }
    }

    /// Forgets files that nothing leads to any more.
    pub(crate) fn collect_garbage(&mut self) {
        let mut living: HashSet<NodeId> = self.names.named();
        living.extend(self.handles.values().map(|handle| handle.node));
        self.nodes.retain(|node, _| living.contains(node));
    }
}

fn no_space() -> Error {
    Error::new(ErrorKind::StorageFull, "simulated disk is full")
}
