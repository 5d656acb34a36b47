//! What the calls on names, folders and notes do to the world.

use std::io::{ErrorKind, Result};
use std::path::Path;
use std::sync::Arc;

use pstream_core::io::FileKind;

use crate::crash::Bit;
use crate::error::{failure, invalid};
use crate::faults::Effect;
use crate::names::{NodeId, Place, What};
use crate::pages::{to_u64, to_usize};
use crate::world::{Node, World};

impl World {
    pub(crate) fn kind_of(&self, node: NodeId) -> FileKind {
        match self.nodes.get(&node) {
            Some(Node::File(_)) => FileKind::File,
            Some(Node::Dir) => FileKind::Dir,
            Some(Node::Symlink(_)) => FileKind::Symlink,
            None => FileKind::Other,
        }
    }

    pub(crate) fn create_file(&mut self, place: Place) -> NodeId {
        let node = self.add_node(self.new_file());
        self.link(node, place);
        node
    }

    pub(crate) fn unlink(&mut self, path: &Path, dir: bool) -> Result<()> {
        let spot = self.resolve(path, false)?;
        let node = spot.existing()?;
        let place = spot.place.ok_or_else(|| invalid("the root cannot be removed"))?;
        match (self.kind_of(node), dir) {
            (FileKind::Dir, false) => return Err(ErrorKind::IsADirectory.into()),
            (FileKind::Dir, true) if !self.entries(node).is_empty() => {
                return Err(ErrorKind::DirectoryNotEmpty.into());
            }
            (FileKind::Dir, true) | (_, false) => {}
            (_, true) => return Err(ErrorKind::NotADirectory.into()),
        }
        let order = self.next_order();
        self.names.perform(order, node, What::Unlink(place));
        if dir {
            self.names.cached.remove(&node);
        }
        Ok(())
    }

    pub(crate) fn rename_new(&mut self, from: &Path, to: &Path) -> Result<()> {
        let from = self.resolve(from, false)?;
        let node = from.existing()?;
        let to = self.resolve(to, false)?;
        if to.path.starts_with(&from.path) && to.path != from.path {
            return Err(invalid("a folder cannot move into itself"));
        }
        let old = from.place.ok_or_else(|| invalid("the root cannot be renamed"))?;
        let order = self.next_order();
        self.names.perform(order, node, What::Rename(old, to.vacant()?));
        Ok(())
    }

    pub(crate) fn sync_dir(&mut self, path: &Path, effect: Option<&Effect>) -> Result<()> {
        let dir = self.dir_at(path)?;
        let covered = self.names.covered(dir);
        let result = match effect {
            Some(Effect::LoseSync) => return Ok(()),
            Some(Effect::FailSync { kind, keep }) => {
                let bits = vec![Bit { group: 0, garble: false }; covered.len()];
                let chosen = keep.choose(&bits);
                let reached: Vec<u64> =
                    covered.iter().zip(chosen).filter(|(_, kept)| *kept).map(|(order, _)| *order).collect();
                self.names.take_for_done(&covered);
                self.names.sync(&reached);
                Err(failure(*kind))
            }
            _ => {
                self.names.sync(&covered);
                Ok(())
            }
        };
        self.collect_garbage();
        result
    }

    pub(crate) fn write_note(&mut self, path: &Path, content: &[u8], effect: Option<&Effect>) -> Result<()> {
        let spot = self.resolve(path, false)?;
        let node = match spot.node {
            Some(node) => node,
            None => self.create_file(spot.vacant()?),
        };
        let (file, mut journal) = self.file_mut(node)?;
        file.set_len(&mut journal, 0);
        // A full disk takes what fits and then fails, as a loop of writes would.
        let fits = to_usize(self.room(node, 0, to_u64(content.len()))?);
        let (part, result) = match effect {
            Some(Effect::Torn(kind)) => (to_usize(self.rng.below(to_u64(fits))), Err(failure(*kind))),
            Some(Effect::StopTorn) => (to_usize(self.rng.below(to_u64(fits))), Ok(())),
            _ if fits < content.len() => (fits, Err(failure(ErrorKind::StorageFull))),
            _ => (fits, Ok(())),
        };
        let (file, mut journal) = self.file_mut(node)?;
        file.write(&mut journal, 0, &content[..part]);
        result
    }

    /// Creates the file at `path` durably, if it is not there.
    pub(crate) fn install(&mut self, path: &Path) -> Result<()> {
        let spot = self.resolve(path, false)?;
        if let Some(node) = spot.node {
            return self.file(node).map(|_| ());
        }
        self.create_file(spot.vacant()?);
        let order = self.order;
        self.names.sync(&[order]);
        Ok(())
    }

    pub(crate) fn symlink(&mut self, target: &Path, path: &Path) -> Result<()> {
        let place = self.resolve(path, false)?.vacant()?;
        let node = self.add_node(Node::Symlink(target.to_owned()));
        self.link(node, place);
        let order = self.order;
        self.names.sync(&[order]);
        Ok(())
    }

    /// Whether `path` is a name of the file `node`.
    pub(crate) fn is_at(&self, node: NodeId, path: &Path) -> Result<bool> {
        match self.resolve(path, false) {
            Ok(spot) => Ok(spot.node == Some(node)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes everything durable.
    pub(crate) fn settle(&mut self) {
        let orders: Vec<u64> = self.names.ops.iter().map(|op| op.order).collect();
        self.names.sync(&orders);
        for kind in self.nodes.values_mut() {
            if let Node::File(content) = kind {
                Arc::make_mut(content).sync_all();
            }
        }
        self.collect_garbage();
    }
}
