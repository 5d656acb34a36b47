//! From paths to nodes.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{Error, ErrorKind, Result};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::error::invalid;
use crate::names::{NodeId, Place, ROOT, Tree};
use crate::world::{Node, World};

/// As many links as Linux follows in one path.
const MAX_LINKS: usize = 40;
const MAX_NAME: usize = 255;

/// Where a path leads.
#[derive(Debug)]
pub(crate) struct Spot {
    /// The name in its folder; the root has none.
    pub(crate) place: Option<Place>,
    /// What has that name.
    pub(crate) node: Option<NodeId>,
    /// The path without links and dots.
    pub(crate) path: PathBuf,
}

impl Spot {
    /// The place for a new name.
    pub(crate) fn vacant(self) -> Result<Place> {
        match (self.node, self.place) {
            (None, Some(place)) => Ok(place),
            _ => Err(ErrorKind::AlreadyExists.into()),
        }
    }

    pub(crate) fn existing(&self) -> Result<NodeId> {
        self.node.ok_or_else(|| ErrorKind::NotFound.into())
    }
}

enum Step {
    Down(OsString),
    Up,
    Top,
}

fn steps(path: &Path) -> impl DoubleEndedIterator<Item = Step> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(Step::Down(name.to_owned())),
        Component::ParentDir => Some(Step::Up),
        Component::RootDir | Component::Prefix(_) => Some(Step::Top),
        Component::CurDir => None,
    })
}

fn check_name(name: &OsStr) -> Result<()> {
    if name.len() > MAX_NAME {
        return Err(Error::new(ErrorKind::InvalidFilename, "file name too long"));
    }
    if name.as_encoded_bytes().contains(&0) { Err(invalid("path contains a zero byte")) } else { Ok(()) }
}

impl World {
    /// Follows `path`, and a symbolic link in its last component if `follow` says so. Relative paths start at the root.
    pub(crate) fn resolve(&self, path: &Path, follow: bool) -> Result<Spot> {
        self.resolve_in(&self.names.cached, path, follow)
    }

    pub(crate) fn resolve_in(&self, tree: &Tree, path: &Path, follow: bool) -> Result<Spot> {
        if path.as_os_str().is_empty() {
            return Err(ErrorKind::NotFound.into());
        }
        let mut todo: VecDeque<Step> = steps(path).collect();
        let mut trail: Vec<(Place, NodeId)> = Vec::new();
        let mut links = 0;
        while let Some(step) = todo.pop_front() {
            let name = match step {
                Step::Top => {
                    trail.clear();
                    continue;
                }
                Step::Up => {
                    trail.pop();
                    continue;
                }
                Step::Down(name) => name,
            };
            check_name(&name)?;
            let dir = trail.last().map_or(ROOT, |(_, node)| *node);
            let names = tree.get(&dir).ok_or(ErrorKind::NotADirectory)?;
            let place = Place { dir, name: Arc::from(name) };
            let Some(node) = names.get(&place.name).copied() else {
                if todo.is_empty() {
                    let path = full_path(&trail).join(&*place.name);
                    return Ok(Spot { place: Some(place), node: None, path });
                }
                return Err(ErrorKind::NotFound.into());
            };
            match self.nodes.get(&node) {
                Some(Node::Symlink(target)) if follow || !todo.is_empty() => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Error::other("too many levels of symbolic links"));
                    }
                    steps(target).rev().for_each(|step| todo.push_front(step));
                }
                _ => trail.push((place, node)),
            }
        }
        let path = full_path(&trail);
        let (place, node) = trail.pop().map_or((None, ROOT), |(place, node)| (Some(place), node));
        Ok(Spot { place, node: Some(node), path })
    }

    /// Some path to the node, for messages.
    pub(crate) fn path_of(&self, node: NodeId) -> String {
        let mut parts = Vec::new();
        let mut at = node;
        while at != ROOT {
            let trees = [&self.names.cached, &self.names.durable];
            let named = trees.into_iter().find_map(|tree| {
                tree.iter().find_map(|(dir, names)| {
                    names.iter().find(|(_, entry)| **entry == at).map(|(name, _)| (*dir, name.to_string_lossy()))
                })
            });
            match named {
                Some((dir, name)) if parts.len() < MAX_NAME => {
                    parts.push(name.into_owned());
                    at = dir;
                }
                _ => {
                    parts.push(format!("(nameless {at})"));
                    break;
                }
            }
        }
        parts.reverse();
        format!("/{}", parts.join("/"))
    }
}

fn full_path(trail: &[(Place, NodeId)]) -> PathBuf {
    let mut path = PathBuf::from("/");
    path.extend(trail.iter().map(|(place, _)| &*place.name));
    path
}
