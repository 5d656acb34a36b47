//! The trait `Io`: names, folders, notes, processes.

use std::io::Result;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use pstream_core::io::{DirEntry, Identity, Io, IoFile, IoLock, Metadata, OpenOptions};

use crate::call::{Call, CallKind};
use crate::error::invalid;
use crate::faults::Effect;
use crate::file::SimFile;
use crate::locks::SimLock;
use crate::names::NodeId;
use crate::pages::{to_u64, to_usize};
use crate::world::{Life, Node, World, lock};

/// The machine as one life of one process reaches it.
#[derive(Clone, Debug)]
pub(crate) struct SimIo {
    world: Arc<Mutex<World>>,
    life: Life,
}

impl SimIo {
    pub(crate) fn new(world: Arc<Mutex<World>>, life: Life) -> Self {
        Self { world, life }
    }

    pub(crate) fn call<T>(&self, call: Call, act: impl FnOnce(&mut World, Option<&Effect>) -> Result<T>) -> Result<T> {
        lock(&self.world).run(self.life, call, act)
    }

    fn path_call<T>(&self, kind: CallKind, path: &Path, act: impl FnOnce(&mut World) -> Result<T>) -> Result<T> {
        self.call(Call::new(kind, Arc::from(path)), |world, _| act(world))
    }

    pub(crate) fn close(&self, handle: u64) {
        lock(&self.world).close(handle);
    }
}

impl Io for SimIo {
    fn open(&self, path: &Path, options: OpenOptions) -> Result<Box<dyn IoFile>> {
        let opened = self.path_call(CallKind::Open, path, |world| {
            let node = world.resolve(path, false)?.existing()?;
            world.open_node(node, self.life)
        })?;
        Ok(Box::new(SimFile::new(self.clone(), opened, path, options)))
    }

    fn create(&self, path: &Path, _mode: u32, options: OpenOptions) -> Result<Box<dyn IoFile>> {
        let opened = self.path_call(CallKind::Create, path, |world| {
            let place = world.resolve(path, false)?.vacant()?;
            let node = world.create_file(place);
            world.open_node(node, self.life)
        })?;
        // "Opens it for reading and writing", whatever the options say.
        Ok(Box::new(SimFile::new(self.clone(), opened, path, OpenOptions { read_only: false, ..options })))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> Result<()> {
        self.path_call(CallKind::Rename, from, |world| world.rename_new(from, to))
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        self.path_call(CallKind::Remove, path, |world| world.unlink(path, false))
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        self.path_call(CallKind::CreateDir, path, |world| {
            let place = world.resolve(path, false)?.vacant()?;
            let node = world.add_node(Node::Dir);
            world.link(node, place);
            Ok(())
        })
    }

    fn remove_dir(&self, path: &Path) -> Result<()> {
        self.path_call(CallKind::RemoveDir, path, |world| world.unlink(path, true))
    }

    fn read_dir(&self, path: &Path, visit: &mut dyn FnMut(DirEntry) -> Result<()>) -> Result<()> {
        let entries = self.path_call(CallKind::ReadDir, path, |world| {
            let entries = world.entries(world.dir_at(path)?);
            let entry = |(name, node): (Arc<std::ffi::OsStr>, NodeId)| DirEntry {
                name: name.as_ref().to_owned(),
                kind: world.kind_of(node),
            };
            let mut entries: Vec<DirEntry> = entries.into_iter().map(entry).collect();
            // "In any order": nobody should rely on a sorted one.
            for end in (1..entries.len()).rev() {
                let other = to_usize(world.rng.below(to_u64(end + 1)));
                entries.swap(end, other);
            }
            Ok(entries)
        })?;
        entries.into_iter().try_for_each(visit)
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        self.call(Call::new(CallKind::SyncDir, Arc::from(path)), |world, effect| world.sync_dir(path, effect))
    }

    fn canonicalize(&self, path: &Path) -> Result<PathBuf> {
        self.path_call(CallKind::Canonicalize, path, |world| {
            let spot = world.resolve(path, true)?;
            spot.existing()?;
            Ok(spot.path)
        })
    }

    fn metadata(&self, path: &Path) -> Result<Metadata> {
        self.path_call(CallKind::Metadata, path, |world| {
            let node = world.resolve(path, false)?.existing()?;
            Ok(Metadata { kind: world.kind_of(node), len: world.file(node).map_or(0, |content| content.len) })
        })
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf> {
        self.path_call(CallKind::ReadLink, path, |world| {
            let node = world.resolve(path, false)?.existing()?;
            match world.nodes.get(&node) {
                Some(Node::Symlink(target)) => Ok(target.clone()),
                _ => Err(invalid("not a symbolic link")),
            }
        })
    }

    fn open_lock(&self, path: &Path, create: Option<u32>) -> Result<Box<dyn IoLock>> {
        let opened = self.path_call(CallKind::OpenLock, path, |world| {
            let spot = world.resolve(path, false)?;
            let node = match spot.node {
                Some(node) => node,
                None if create.is_none() => return Err(std::io::ErrorKind::NotFound.into()),
                None => world.create_file(spot.vacant()?),
            };
            world.open_node(node, self.life)
        })?;
        Ok(Box::new(SimLock::new(self.clone(), opened, path)))
    }

    fn write_note(&self, path: &Path, _mode: u32, content: &[u8]) -> Result<()> {
        let call = Call::new(CallKind::WriteNote, Arc::from(path)).at(0, to_u64(content.len()));
        self.call(call, |world, effect| world.write_note(path, content, effect))
    }

    fn read_note(&self, path: &Path, limit: usize) -> Result<Vec<u8>> {
        let call = Call::new(CallKind::ReadNote, Arc::from(path)).at(0, to_u64(limit));
        self.call(call, |world, effect| {
            let node = world.file_at(path)?;
            let limit = world.shorten(limit.min(to_usize(world.file(node)?.len)), effect);
            Ok(world.file(node)?.peek(0..to_u64(limit), false))
        })
    }

    fn identity(&self) -> Identity {
        let boots = lock(&self.world).boots;
        Identity { pid: self.life.pid, host: Some("sim".to_owned()), boot_id: Some(format!("boot-{boots}")) }
    }

    fn process_alive(&self, pid: u32) -> Option<bool> {
        Some(lock(&self.world).processes.contains_key(&pid))
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + lock(&self.world).clock
    }

    fn random(&self) -> u64 {
        lock(&self.world).random.next_u64()
    }

    fn sleep(&self, duration: Duration) {
        lock(&self.world).clock += duration;
        // Whoever is waited for may be a real thread.
        std::thread::yield_now();
    }
}
