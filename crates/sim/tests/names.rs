//! Names before and after a power cut.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests say what they expect by panicking, in their helpers too"
)]

mod common;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;

use common::{create, machine, write};
use pstream_core::io::{FileKind, Io, OpenOptions};
use pstream_sim::{CallKind, Effect, Fault, Keep, SimDisk};

fn p(path: &str) -> &Path {
    Path::new(path)
}

/// A machine with the durable folders `/a` and `/b`.
fn with_folders() -> (SimDisk, std::sync::Arc<dyn Io>) {
    let (disk, io) = machine();
    io.create_dir(p("/a")).unwrap();
    io.create_dir(p("/b")).unwrap();
    io.sync_dir(p("/")).unwrap();
    assert_eq!(disk.unsynced(), 0);
    (disk, io)
}

/// The names of both folders after every possible power cut.
fn outcomes(disk: &SimDisk) -> BTreeSet<(Vec<String>, Vec<String>)> {
    let names = |mask| {
        let after = disk.fork_after(&Keep::Mask(mask));
        (after.names("/a").unwrap(), after.names("/b").unwrap())
    };
    (0..1_u64 << disk.unsynced()).map(names).collect()
}

fn pair(a: &[&str], b: &[&str]) -> (Vec<String>, Vec<String>) {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    (owned(a), owned(b))
}

#[test]
fn syncing_a_file_does_not_make_its_name_durable() {
    let (disk, io) = with_folders();
    let file = create(&*io, "/a/x");
    write(&*file, 0, b"bytes");
    file.sync_all().unwrap();
    assert_eq!(disk.names("/a").unwrap(), ["x"]);
    assert_eq!(disk.durable_names("/a").unwrap(), [""; 0]);
    assert_eq!(outcomes(&disk), BTreeSet::from([pair(&[], &[]), pair(&["x"], &[])]));
    io.sync_dir(p("/a")).unwrap();
    assert_eq!(outcomes(&disk), BTreeSet::from([pair(&["x"], &[])]));
    disk.power_cut(&Keep::None);
    assert_eq!(common::in_cache(&disk, "/a/x"), b"bytes");
}

#[test]
fn syncing_a_folder_does_not_make_its_own_name_durable() {
    let (disk, io) = machine();
    io.create_dir(p("/new")).unwrap();
    create(&*io, "/new/x");
    io.sync_dir(p("/new")).unwrap();
    assert_eq!(disk.fork_after(&Keep::None).names("/").unwrap(), [""; 0]);
    io.sync_dir(p("/")).unwrap();
    assert_eq!(disk.fork_after(&Keep::None).names("/new").unwrap(), ["x"]);
}

#[test]
fn a_power_cut_keeps_any_subset_of_name_operations() {
    let (disk, io) = with_folders();
    create(&*io, "/a/x");
    create(&*io, "/a/y");
    create(&*io, "/b/z");
    io.sync_dir(p("/b")).unwrap();
    io.remove_file(p("/b/z")).unwrap();
    assert_eq!(disk.unsynced(), 3);
    assert_eq!(outcomes(&disk).len(), 8);
    io.sync_dir(p("/a")).unwrap();
    assert_eq!(outcomes(&disk), BTreeSet::from([pair(&["x", "y"], &["z"]), pair(&["x", "y"], &[])]));
}

#[test]
fn a_rename_is_atomic_and_durable_with_the_target_folder() {
    let (disk, io) = with_folders();
    create(&*io, "/a/x");
    io.sync_dir(p("/a")).unwrap();
    io.rename_new(p("/a/x"), p("/b/y")).unwrap();
    assert_eq!(outcomes(&disk), BTreeSet::from([pair(&["x"], &[]), pair(&[], &["y"])]));
    io.sync_dir(p("/a")).unwrap();
    assert_eq!(outcomes(&disk).len(), 2);
    io.sync_dir(p("/b")).unwrap();
    assert_eq!(outcomes(&disk), BTreeSet::from([pair(&[], &["y"])]));
}

#[test]
fn chains_of_renames_leave_one_name() {
    let (disk, io) = with_folders();
    create(&*io, "/a/x");
    io.rename_new(p("/a/x"), p("/b/y")).unwrap();
    io.rename_new(p("/b/y"), p("/a/z")).unwrap();
    let expected = [pair(&[], &[]), pair(&["x"], &[]), pair(&[], &["y"]), pair(&["z"], &[])];
    assert_eq!(outcomes(&disk), BTreeSet::from(expected));
    io.sync_dir(p("/a")).unwrap();
    assert_eq!(outcomes(&disk), BTreeSet::from([pair(&["z"], &[])]));
}

#[test]
fn a_name_that_was_freed_and_taken_again_never_costs_the_first_file() {
    let (disk, io) = with_folders();
    create(&*io, "/a/x");
    io.sync_dir(p("/a")).unwrap();
    io.rename_new(p("/a/x"), p("/b/moved")).unwrap();
    let second = create(&*io, "/a/x");
    write(&*second, 0, b"2");
    second.sync_all().unwrap();
    let expected = [pair(&["x"], &[]), pair(&[], &["moved"]), pair(&["x"], &["moved"])];
    assert_eq!(outcomes(&disk), BTreeSet::from(expected));
    // The new name can only be on the disk if the old one is gone from there, so both must be durable now.
    io.sync_dir(p("/a")).unwrap();
    assert_eq!(outcomes(&disk), BTreeSet::from([pair(&["x"], &["moved"])]));
}

#[test]
fn a_rename_into_a_folder_that_is_lost_did_not_happen() {
    let (disk, io) = with_folders();
    create(&*io, "/a/x");
    io.sync_dir(p("/a")).unwrap();
    io.create_dir(p("/b/new")).unwrap();
    io.rename_new(p("/a/x"), p("/b/new/x")).unwrap();
    io.sync_dir(p("/b/new")).unwrap();
    let after = disk.fork_after(&Keep::None);
    assert_eq!((after.names("/a").unwrap(), after.names("/b").unwrap()), pair(&["x"], &[]));
    io.sync_dir(p("/b")).unwrap();
    let after = disk.fork_after(&Keep::None);
    assert_eq!(after.names("/a").unwrap(), [""; 0]);
    assert_eq!(after.names("/b/new").unwrap(), ["x"]);
}

#[test]
fn a_failed_folder_sync_looks_like_success_and_loses_any_subset() {
    let (disk, io) = with_folders();
    create(&*io, "/a/x");
    create(&*io, "/a/y");
    disk.inject(Fault::new(Effect::FAIL_SYNC).kind(CallKind::SyncDir));
    assert_eq!(io.sync_dir(p("/a")).unwrap_err().kind(), ErrorKind::Other);
    io.sync_dir(p("/a")).unwrap();
    assert_eq!(disk.names("/a").unwrap(), ["x", "y"]);
    assert_eq!(outcomes(&disk).len(), 4);
}

#[test]
fn a_lost_folder_sync_is_made_good_by_the_next() {
    let (disk, io) = with_folders();
    create(&*io, "/a/x");
    disk.inject(Fault::new(Effect::LoseSync).path("/a"));
    io.sync_dir(p("/a")).unwrap();
    assert_eq!(disk.durable_names("/a").unwrap(), [""; 0]);
    io.sync_dir(p("/a")).unwrap();
    assert_eq!(disk.durable_names("/a").unwrap(), ["x"]);
}

#[test]
fn removing_a_folder_needs_it_empty_also_on_the_disk() {
    let (disk, io) = with_folders();
    create(&*io, "/a/x");
    assert_eq!(io.remove_dir(p("/a")).unwrap_err().kind(), ErrorKind::DirectoryNotEmpty);
    io.sync_dir(p("/a")).unwrap();
    io.rename_new(p("/a/x"), p("/b/x")).unwrap();
    io.remove_dir(p("/a")).unwrap();
    for mask in 0..4 {
        let after = disk.fork_after(&Keep::Mask(mask));
        let kept = after.names("/a").is_ok_and(|names| names == ["x"]) || after.names("/b").unwrap() == ["x"];
        assert!(kept, "mask {mask} lost the file");
    }
    io.sync_dir(p("/")).unwrap();
    let after = disk.fork_after(&Keep::None);
    assert!(after.names("/a").is_err());
    assert_eq!(after.names("/b").unwrap(), ["x"]);
}

#[test]
fn errors_have_the_kinds_of_the_contract() {
    let (disk, io) = with_folders();
    create(&*io, "/a/x");
    disk.symlink("x", "/a/link").unwrap();
    let options = OpenOptions::default();
    let kind = |result: std::io::Result<()>| result.unwrap_err().kind();
    assert_eq!(kind(io.open(p("/a/none"), options).map(drop)), ErrorKind::NotFound);
    assert_eq!(kind(io.open(p("/none/x"), options).map(drop)), ErrorKind::NotFound);
    assert_eq!(kind(io.open(p("/a/link"), options).map(drop)), ErrorKind::InvalidInput);
    assert_eq!(kind(io.open(p("/a"), options).map(drop)), ErrorKind::InvalidInput);
    assert_eq!(kind(io.open_lock(p("/a/link"), Some(0o600)).map(drop)), ErrorKind::InvalidInput);
    assert_eq!(kind(io.open_lock(p("/a"), Some(0o600)).map(drop)), ErrorKind::InvalidInput);
    for taken in ["/a/x", "/a/link", "/a", "/"] {
        assert_eq!(kind(io.create(p(taken), 0, options).map(drop)), ErrorKind::AlreadyExists);
        assert_eq!(kind(io.create_dir(p(taken))), ErrorKind::AlreadyExists);
        assert_eq!(kind(io.rename_new(p("/a/x"), p(taken))), ErrorKind::AlreadyExists);
    }
    assert_eq!(kind(io.rename_new(p("/a/none"), p("/a/y"))), ErrorKind::NotFound);
    assert_eq!(kind(io.remove_file(p("/a/none"))), ErrorKind::NotFound);
    assert!(io.remove_file(p("/a")).is_err() && io.remove_dir(p("/a/x")).is_err());
    assert!(io.create(p(&format!("/a/{}", "n".repeat(256))), 0, options).is_err());
    io.remove_file(p("/a/link")).unwrap();
    assert_eq!(disk.names("/a").unwrap(), ["x"]);
}

#[test]
fn paths_are_resolved() {
    let (disk, io) = with_folders();
    io.create_dir(p("/a/sub")).unwrap();
    disk.symlink("../b/.", "/a/up").unwrap();
    disk.symlink("/a/loop", "/a/loop").unwrap();
    create(&*io, "/a/up/./file");
    assert_eq!(disk.names("/b").unwrap(), ["file"]);
    assert_eq!(io.canonicalize(p("a/./sub/../up/file")).unwrap(), p("/b/file"));
    assert_eq!(io.canonicalize(p("/a/..")).unwrap(), p("/"));
    assert!(io.canonicalize(p("/a/loop")).is_err());
    assert_eq!(io.canonicalize(p("/a/none")).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(io.metadata(p("/a/up")).unwrap().kind, FileKind::Symlink);
    assert_eq!(io.read_link(p("/a/up")).unwrap(), p("../b/."));
    assert_eq!(io.metadata(p("/")).unwrap().kind, FileKind::Dir);
}

#[test]
fn read_dir_lists_everything_and_stops_at_an_error() {
    let (disk, io) = with_folders();
    create(&*io, "/a/x");
    io.create_dir(p("/a/sub")).unwrap();
    disk.symlink("x", "/a/link").unwrap();
    let mut seen = BTreeSet::new();
    let list = |entry: pstream_core::io::DirEntry| {
        seen.insert((entry.name.into_string().unwrap(), format!("{:?}", entry.kind)));
        Ok(())
    };
    let mut list = list;
    io.read_dir(p("/a"), &mut list).unwrap();
    let expected = [("link", "Symlink"), ("sub", "Dir"), ("x", "File")];
    assert_eq!(seen, expected.map(|(name, kind)| (name.to_owned(), kind.to_owned())).into());
    let mut count = 0;
    let stopped = io.read_dir(p("/a"), &mut |_| {
        count += 1;
        Err(ErrorKind::InvalidData.into())
    });
    assert_eq!((stopped.unwrap_err().kind(), count), (ErrorKind::InvalidData, 1));
}

#[test]
fn an_open_file_outlives_its_name_but_not_a_crash() {
    let (disk, io) = with_folders();
    let file = create(&*io, "/a/x");
    write(&*file, 0, b"1");
    io.remove_file(p("/a/x")).unwrap();
    io.sync_dir(p("/a")).unwrap();
    assert_eq!(common::read(&*file, 0, 1), b"1");
    assert!(!file.is_at(p("/a/x")).unwrap());
    let other = create(&*io, "/a/x");
    assert!(!file.is_at(p("/a/x")).unwrap() && other.is_at(p("/a/x")).unwrap());
    drop((file, other));
    assert_eq!(disk.open_handles(), 0);
}
