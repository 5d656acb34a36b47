//! Names: the tree as the cache shows it, the one on the disk, and the operations in between.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::sync::Arc;

pub(crate) type NodeId = u64;

/// The folder that everything is in.
pub(crate) const ROOT: NodeId = 1;

/// What the folders contain.
pub(crate) type Tree = BTreeMap<NodeId, BTreeMap<Arc<OsStr>, NodeId>>;

/// A name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) dir: NodeId,
    pub(crate) name: Arc<OsStr>,
}

/// There are no hard links: a node has at most one name, so that a rename is "has this name now".
#[derive(Clone, Debug)]
pub(crate) enum What {
    Link(Place),
    Unlink(Place),
    Rename(Place, Place),
}

/// A name operation that is not, or not known to be, on the disk.
#[derive(Clone, Debug)]
pub(crate) struct NameOp {
    pub(crate) order: u64,
    pub(crate) node: NodeId,
    pub(crate) what: What,
    /// Its folder was synced, but that folder's own name was not: it is on the disk once the folder is.
    pub(crate) synced: bool,
    /// A failed sync of the folder took it for done.
    pub(crate) taken_for_done: bool,
}

impl NameOp {
    /// The folder whose sync makes the operation durable.
    fn home(&self) -> NodeId {
        match &self.what {
            What::Link(place) | What::Unlink(place) | What::Rename(_, place) => place.dir,
        }
    }

    fn places(&self) -> impl Iterator<Item = &Place> {
        let (first, second) = match &self.what {
            What::Link(place) | What::Unlink(place) => (place, None),
            What::Rename(from, to) => (from, Some(to)),
        };
        std::iter::once(first).chain(second)
    }

    /// Whether this operation can be on the disk only if the `earlier` one is: both are about one node or one name,
    /// or this one removes a folder that the earlier one emptied.
    fn needs(&self, earlier: &Self) -> bool {
        let removes_dir = |place: &Place| matches!(self.what, What::Unlink(_)) && place.dir == self.node;
        self.node == earlier.node
            || earlier.places().any(|place| removes_dir(place) || self.places().any(|own| own == place))
    }
}

/// Both trees.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) cached: Tree,
    pub(crate) durable: Tree,
    /// Where on the disk a node has its name.
    at: BTreeMap<NodeId, Place>,
    pub(crate) ops: Vec<NameOp>,
}

impl Names {
    pub(crate) fn new() -> Self {
        let tree = Tree::from([(ROOT, BTreeMap::new())]);
        Self { cached: tree.clone(), durable: tree, ..Self::default() }
    }

    pub(crate) fn add_dir(&mut self, dir: NodeId) {
        self.cached.insert(dir, BTreeMap::new());
        self.durable.insert(dir, BTreeMap::new());
    }

    /// Does an operation in the cached tree and remembers it.
    pub(crate) fn perform(&mut self, order: u64, node: NodeId, what: What) {
        if let What::Unlink(from) | What::Rename(from, _) = &what
            && let Some(dir) = self.cached.get_mut(&from.dir)
        {
            dir.remove(&from.name);
        }
        if let What::Link(to) | What::Rename(_, to) = &what {
            self.cached.entry(to.dir).or_default().insert(Arc::clone(&to.name), node);
        }
        self.ops.push(NameOp { order, node, what, synced: false, taken_for_done: false });
    }

    /// The operations that syncing `dir` covers.
    pub(crate) fn covered(&self, dir: NodeId) -> Vec<u64> {
        let covers = |op: &&NameOp| op.home() == dir && !op.synced && !op.taken_for_done;
        self.ops.iter().filter(covers).map(|op| op.order).collect()
    }

    /// Brings the operations with these orders, and those that they need, to the disk.
    pub(crate) fn sync(&mut self, orders: &[u64]) {
        for later in (0..self.ops.len()).rev() {
            if orders.contains(&self.ops[later].order) {
                self.ops[later].synced = true;
            }
            if self.ops[later].synced {
                for earlier in 0..later {
                    self.ops[earlier].synced |= self.ops[later].needs(&self.ops[earlier]);
                }
            }
        }
        while self.settle_one() {}
    }

    pub(crate) fn take_for_done(&mut self, orders: &[u64]) {
        for op in &mut self.ops {
            op.taken_for_done |= orders.contains(&op.order);
        }
    }

    /// Takes the first synced operation that nothing stands in the way of to the disk.
    fn settle_one(&mut self) -> bool {
        let ready = (0..self.ops.len()).find(|index| {
            let op = &self.ops[*index];
            op.synced && self.is_reachable(op.home()) && !self.ops[..*index].iter().any(|earlier| op.needs(earlier))
        });
        let Some(index) = ready else { return false };
        let op = self.ops.remove(index);
        self.apply(&op);
        true
    }

    /// Whether the folder is on the disk all the way up to the root.
    fn is_reachable(&self, dir: NodeId) -> bool {
        let mut at = dir;
        while at != ROOT {
            match self.at.get(&at) {
                Some(place) => at = place.dir,
                None => return false,
            }
        }
        true
    }

    /// Does an operation on the disk, unless the disk could not hold the result: a name in a folder that is not there,
    /// a second node under one name, or a file in a folder that is gone.
    fn apply(&mut self, op: &NameOp) {
        match &op.what {
            What::Link(to) | What::Rename(_, to) => {
                let taken = self.durable.get(&to.dir).is_none_or(|names| names.contains_key(&to.name));
                if !taken && self.is_reachable(to.dir) {
                    self.detach(op.node);
                    self.attach(op.node, to.clone());
                }
            }
            What::Unlink(_) => {
                if self.durable.get(&op.node).is_none_or(BTreeMap::is_empty) {
                    self.detach(op.node);
                }
            }
        }
    }

    fn detach(&mut self, node: NodeId) {
        let Some(place) = self.at.remove(&node) else { return };
        if let Some(names) = self.durable.get_mut(&place.dir) {
            names.remove(&place.name);
        }
    }

    fn attach(&mut self, node: NodeId, place: Place) {
        self.durable.entry(place.dir).or_default().insert(Arc::clone(&place.name), node);
        self.at.insert(node, place);
    }

    /// Keeps the operations that `kept` has the order of, and forgets the cached tree.
    pub(crate) fn power_cut(&mut self, kept: &HashSet<u64>) {
        for op in std::mem::take(&mut self.ops) {
            if op.synced || kept.contains(&op.order) {
                self.apply(&op);
            }
        }
        let lost: Vec<NodeId> = self.durable.keys().copied().filter(|dir| !self.is_reachable(*dir)).collect();
        for dir in lost {
            self.durable.remove(&dir);
        }
        let durable = &self.durable;
        self.at.retain(|_, place| durable.contains_key(&place.dir));
        self.cached = self.durable.clone();
    }

    /// All nodes that have, had or may get a name.
    pub(crate) fn named(&self) -> HashSet<NodeId> {
        let cached = self.cached.values().flat_map(BTreeMap::values);
        let durable = self.durable.values().flat_map(BTreeMap::values);
        cached.chain(durable).copied().chain(self.ops.iter().map(|op| op.node)).chain([ROOT]).collect()
    }

    /// The nodes that have a name in the cached tree.
    pub(crate) fn in_sight(&self) -> HashSet<NodeId> {
        self.cached.values().flat_map(BTreeMap::values).copied().chain([ROOT]).collect()
    }
}
