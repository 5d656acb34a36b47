//! Crashes: what a power cut keeps, and what dies with a process.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use crate::content::Meta;
use crate::disk::SectorModel;
use crate::flush::Change;
use crate::names::{NodeId, What};
use crate::pages::{PAGE, SECTOR};
use crate::rng::Rng;
use crate::world::{Node, World};

/// Which of the unsynced changes a power cut keeps. Printed, it is enough to repeat the cut.
///
/// The changes are those of [`crate::SimDisk::unsynced`], in that order: by the time they were made, and behind them,
/// if the [`SectorModel`] has it, the pages that may become garbage. Where a strategy is said to keep changes, only
/// the strategies with a seed, and bits that say so, turn pages into garbage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keep {
    /// None: all that no sync covered is gone.
    None,
    /// All: as if everything had been synced just before.
    All,
    /// The first so many.
    First(usize),
    /// A prefix of a length chosen by the seed; one page may be garbage, since a disk writes one at a time.
    Prefix(u64),
    /// Each with a chance that is itself chosen by the seed.
    Random(u64),
    /// All but so many, chosen by the seed.
    Holes(u64, usize),
    /// For each file, and for the names, by the seed: none, all, or a random subset.
    Groups(u64),
    /// Those whose bit is set, the first change being bit 0: to enumerate small cases.
    Mask(u64),
    /// Those that are true; what is beyond the end is false.
    Exactly(Vec<bool>),
}

/// What decides about a change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bit {
    /// The file it belongs to, 0 for names.
    pub(crate) group: NodeId,
    /// Not a change that was made, but a page that may become garbage.
    pub(crate) garble: bool,
}

impl Keep {
    /// One of the strategies, each with its own parameters, by the seed: for tests that take any cut.
    #[must_use]
    pub fn any(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let inner = rng.next_u64();
        match rng.below(8) {
            0 => Self::None,
            1 => Self::All,
            2 | 3 => Self::Prefix(inner),
            4 => Self::Groups(inner),
            5 => Self::Holes(inner, if rng.chance(1, 2) { 1 } else { 3 }),
            _ => Self::Random(inner),
        }
    }

    pub(crate) fn choose(&self, bits: &[Bit]) -> Vec<bool> {
        let changes = bits.iter().filter(|bit| !bit.garble).count();
        match self {
            Self::None => vec![false; bits.len()],
            Self::All => bits.iter().map(|bit| !bit.garble).collect(),
            Self::First(count) => (0..bits.len()).map(|index| index < (*count).min(changes)).collect(),
            Self::Mask(mask) => (0..bits.len()).map(|index| index < 64 && (mask >> index) & 1 == 1).collect(),
            Self::Exactly(kept) => (0..bits.len()).map(|index| kept.get(index) == Some(&true)).collect(),
            Self::Prefix(seed) => prefix(&mut Rng::new(*seed), bits, changes),
            Self::Random(seed) => random(&mut Rng::new(*seed), bits),
            Self::Holes(seed, count) => holes(&mut Rng::new(*seed), bits, changes, *count),
            Self::Groups(seed) => groups(&mut Rng::new(*seed), bits),
        }
    }
}

fn index_below(rng: &mut Rng, bound: usize) -> usize {
    crate::pages::to_usize(rng.below(crate::pages::to_u64(bound)))
}

fn prefix(rng: &mut Rng, bits: &[Bit], changes: usize) -> Vec<bool> {
    let end = index_below(rng, changes + 1);
    let victim = if rng.chance(1, 2) { changes + index_below(rng, bits.len() - changes) } else { usize::MAX };
    (0..bits.len()).map(|index| index < end || (index == victim && end < changes)).collect()
}

fn random(rng: &mut Rng, bits: &[Bit]) -> Vec<bool> {
    let part = 1 + rng.below(7);
    let garbled = rng.below(3);
    bits.iter().map(|bit| if bit.garble { rng.chance(garbled, 8) } else { rng.chance(part, 8) }).collect()
}

fn holes(rng: &mut Rng, bits: &[Bit], changes: usize, count: usize) -> Vec<bool> {
    let mut kept: Vec<bool> = bits.iter().map(|bit| !bit.garble).collect();
    for _ in 0..count.min(changes) {
        kept[index_below(rng, changes)] = false;
    }
    if changes < bits.len() && rng.chance(1, 4) {
        kept[changes + index_below(rng, bits.len() - changes)] = true;
    }
    kept
}

fn groups(rng: &mut Rng, bits: &[Bit]) -> Vec<bool> {
    let mut parts: BTreeMap<NodeId, u64> = BTreeMap::new();
    let mut choose = |bit: &Bit| {
        let part = *parts.entry(bit.group).or_insert_with(|| [0, 8, 1 + rng.below(7)][index_below(rng, 3)]);
        if bit.garble { part != 8 && rng.chance(1, 8) } else { rng.chance(part, 8) }
    };
    bits.iter().map(&mut choose).collect()
}

/// One unsynced change, for messages and for tests that pick what to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are what they are called: the file's path and where in it")]
pub enum Unsynced {
    /// A sector's bytes; the newest version, or one that was overwritten before any sync.
    Sector { path: String, offset: u64, newest: bool },
    /// A length.
    Len { path: String, len: u64 },
    /// A reservation from the start up to here.
    Reserve { path: String, to: u64 },
    /// A name that was created.
    Link { path: String },
    /// A name that was removed.
    Unlink { path: String },
    /// A name that was changed.
    Rename { from: String, to: String },
    /// A page that may become garbage.
    Garble { path: String, offset: u64 },
}

impl fmt::Display for Unsynced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sector { path, offset, newest: true } => write!(f, "{path} sector at {offset}"),
            Self::Sector { path, offset, newest: false } => write!(f, "{path} older sector at {offset}"),
            Self::Len { path, len } => write!(f, "{path} length {len}"),
            Self::Reserve { path, to } => write!(f, "{path} reserved to {to}"),
            Self::Link { path } => write!(f, "create {path}"),
            Self::Unlink { path } => write!(f, "remove {path}"),
            Self::Rename { from, to } => write!(f, "rename {from} to {to}"),
            Self::Garble { path, offset } => write!(f, "{path} garbled page at {offset}"),
        }
    }
}

/// Where in the world an unsynced change is.
#[derive(Clone, Copy, Debug)]
enum Spot {
    Change(NodeId, Change),
    Name(usize),
    Garble(NodeId, u64),
}

impl World {
    fn files(&self) -> impl Iterator<Item = (NodeId, &Arc<crate::content::Content>)> {
        self.nodes.iter().filter_map(|(node, kind)| match kind {
            Node::File(content) => Some((*node, content)),
            _ => None,
        })
    }

    fn unsynced_spots(&self) -> Vec<(u64, Spot)> {
        let named = self.names.named();
        let mut spots = Vec::new();
        let mut garbles = Vec::new();
        // A file that is open but has no name left cannot come back, so its bytes are no choice.
        for (node, content) in self.files().filter(|(node, _)| named.contains(node)) {
            spots.extend(content.changes().into_iter().map(|(order, change)| (order, Spot::Change(node, change))));
            if self.config.model != SectorModel::PowerSafe {
                let pages = content.rewritten_pages(self.config.model == SectorModel::GarbleAny);
                garbles.extend(pages.into_iter().map(|page| (0, Spot::Garble(node, page))));
            }
        }
        let ops = self.names.ops.iter().enumerate().filter(|(_, op)| !op.synced);
        spots.extend(ops.map(|(index, op)| (op.order, Spot::Name(index))));
        spots.sort_unstable_by_key(|(order, _)| *order);
        spots.append(&mut garbles);
        spots
    }

    pub(crate) fn unsynced_count(&self) -> usize {
        self.unsynced_spots().len()
    }

    pub(crate) fn unsynced(&self) -> Vec<Unsynced> {
        self.unsynced_spots().into_iter().map(|(_, spot)| self.describe(spot)).collect()
    }

    fn describe(&self, spot: Spot) -> Unsynced {
        let name = |place: &crate::names::Place| {
            format!("{}/{}", self.path_of(place.dir).trim_end_matches('/'), place.name.to_string_lossy())
        };
        match spot {
            Spot::Garble(node, page) => Unsynced::Garble { path: self.path_of(node), offset: page * PAGE },
            Spot::Name(index) => match &self.names.ops[index].what {
                What::Link(place) => Unsynced::Link { path: name(place) },
                What::Unlink(place) => Unsynced::Unlink { path: name(place) },
                What::Rename(from, to) => Unsynced::Rename { from: name(from), to: name(to) },
            },
            Spot::Change(node, change) => {
                let path = self.path_of(node);
                match change {
                    Change::Sector(sector) => Unsynced::Sector { path, offset: sector * SECTOR, newest: true },
                    Change::Older(place) => {
                        let sector = self.file(node).map_or(0, |content| content.older[place].sector);
                        Unsynced::Sector { path, offset: sector * SECTOR, newest: false }
                    }
                    Change::Meta(Meta::Len(len)) => Unsynced::Len { path, len },
                    Change::Meta(Meta::Reserve(to)) => Unsynced::Reserve { path, to },
                }
            }
        }
    }

    pub(crate) fn power_cut(&mut self, keep: &Keep) {
        let spots = self.unsynced_spots();
        let bits: Vec<Bit> = spots
            .iter()
            .map(|(_, spot)| match spot {
                Spot::Change(group, _) => Bit { group: *group, garble: false },
                Spot::Garble(group, _) => Bit { group: *group, garble: true },
                Spot::Name(_) => Bit { group: 0, garble: false },
            })
            .collect();
        let mut kept = HashSet::new();
        let mut garbled: BTreeMap<NodeId, Vec<u64>> = BTreeMap::new();
        for ((order, spot), _) in spots.iter().zip(keep.choose(&bits)).filter(|(_, kept)| *kept) {
            match spot {
                Spot::Garble(node, page) => garbled.entry(*node).or_default().push(*page),
                Spot::Change(..) | Spot::Name(_) => {
                    kept.insert(*order);
                }
            }
        }
        self.names.power_cut(&kept);
        self.processes.clear();
        self.handles.clear();
        self.locks.clear();
        self.collect_garbage();
        for (node, kind) in &mut self.nodes {
            match kind {
                Node::File(content) if !content.is_settled() => {
                    let pages = garbled.get(node).map_or(&[][..], Vec::as_slice);
                    cut_file(content, &kept, pages, &mut self.rng);
                }
                _ => {}
            }
        }
        self.boots += 1;
        self.stopped = false;
    }

    /// Ends one process: its handles and locks go, cache and names stay.
    pub(crate) fn process_crash(&mut self, pid: u32) {
        self.processes.remove(&pid);
        let dead: Vec<u64> =
            self.handles.iter().filter(|(_, handle)| handle.life.pid == pid).map(|(id, _)| *id).collect();
        for handle in dead {
            self.close(handle);
        }
        self.stopped = false;
    }
}

/// A fork shares its files with the original, and most of what a copy would hold is about to be dropped.
fn cut_file(content: &mut Arc<crate::content::Content>, kept: &HashSet<u64>, pages: &[u64], rng: &mut Rng) {
    let unshared = Arc::get_mut(content).is_some();
    if unshared || content.dirty.iter().next().is_some() {
        Arc::make_mut(content).power_cut(kept, pages, rng);
        return;
    }
    let mut fresh = crate::content::Content {
        disk: Arc::clone(&content.disk),
        disk_len: content.disk_len,
        disk_reserved: content.disk_reserved,
        older: content.older.clone(),
        meta: content.meta.clone(),
        history: content.history.clone(),
        pinned: content.pinned,
        ..crate::content::Content::default()
    };
    fresh.power_cut(kept, pages, rng);
    *content = Arc::new(fresh);
}
