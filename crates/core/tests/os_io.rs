//! The operating system against the contracts of `pstream_core::io`: names and folders. `os_lock.rs` does the same for locks,
//! notes and the process, `os_file.rs` for open files. What a platform cannot do is skipped, and says so in the output.

mod os;

use std::fs;
use std::io::{Error, ErrorKind};
use std::path::Path;

use os::{create, kind_of, name, symlink, write};
use pstream_core::io::os::OsIo;
use pstream_core::io::{DirEntry, FileKind, Io, IoFile, OpenOptions, SyncLevel};

const READ_ONLY: OpenOptions = OpenOptions { read_only: true, sync: SyncLevel::Full };

fn open(path: &Path) -> Result<Box<dyn IoFile>, Error> {
    OsIo.open(path, OpenOptions::default())
}

#[test]
fn open_takes_regular_files_only_and_creates_nothing() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(kind_of(open(&name(&dir, "none"))), ErrorKind::NotFound);
    assert!(!name(&dir, "none").exists());

    fs::create_dir(name(&dir, "folder")).unwrap();
    assert_eq!(kind_of(open(&name(&dir, "folder"))), ErrorKind::InvalidInput);
    assert_eq!(kind_of(OsIo.open(&name(&dir, "folder"), READ_ONLY)), ErrorKind::InvalidInput);

    fs::write(name(&dir, "file"), b"as it was").unwrap();
    assert_eq!(open(&name(&dir, "file")).unwrap().size().unwrap(), 9);

    for (link, target) in [("to-file", "file"), ("to-folder", "folder"), ("to-nothing", "none")] {
        if symlink(&name(&dir, target), &name(&dir, link)) {
            assert_eq!(kind_of(open(&name(&dir, link))), ErrorKind::InvalidInput, "{link}");
        }
    }
}

#[cfg(unix)]
#[test]
fn open_refuses_devices_and_pipes_without_waiting_for_them() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(kind_of(open(Path::new("/dev/null"))), ErrorKind::InvalidInput);
    let made = std::process::Command::new("mkfifo").arg(name(&dir, "pipe")).status();
    if !made.is_ok_and(|status| status.success()) {
        return os::skip("pipes: no mkfifo");
    }
    assert_eq!(kind_of(open(&name(&dir, "pipe"))), ErrorKind::InvalidInput);
    assert_eq!(kind_of(OsIo.open(&name(&dir, "pipe"), READ_ONLY)), ErrorKind::InvalidInput);
    assert_eq!(kind_of(OsIo.open_lock(&name(&dir, "pipe"), Some(0o600))), ErrorKind::InvalidInput);
}

#[test]
fn read_only_files_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(name(&dir, "file"), b"as it was").unwrap();
    let file = OsIo.open(&name(&dir, "file"), READ_ONLY).unwrap();
    assert!(write(&*file, 0, b"no").is_err());
    assert_eq!(fs::read(name(&dir, "file")).unwrap(), b"as it was");
}

#[test]
fn create_never_takes_a_name_that_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let file = create(&dir, "new");
    assert_eq!(file.size().unwrap(), 0);
    write(&*file, 0, b"mine").unwrap();

    fs::create_dir(name(&dir, "folder")).unwrap();
    let mut taken = vec!["new", "folder"];
    taken.extend(symlink(&name(&dir, "new"), &name(&dir, "link")).then_some("link"));
    taken.extend(symlink(&name(&dir, "none"), &name(&dir, "dangling")).then_some("dangling"));
    for taken in taken {
        let result = OsIo.create(&name(&dir, taken), 0o600, OpenOptions::default());
        assert_eq!(kind_of(result), ErrorKind::AlreadyExists, "{taken}");
    }
    assert_eq!(fs::read(name(&dir, "new")).unwrap(), b"mine");
    assert!(!name(&dir, "none").exists());
}

#[cfg(unix)]
#[test]
fn create_gives_the_mode() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    for mode in [0o600, 0o400, 0o640] {
        let path = name(&dir, &format!("{mode:o}"));
        OsIo.create(&path, mode, OpenOptions::default()).unwrap();
        let found = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        // What the process masks out may be missing; nothing may be added.
        assert_eq!((found & 0o700, found & !mode), (mode & 0o700, 0), "{mode:o}");
    }
}

#[test]
fn rename_new_moves_and_never_replaces() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(name(&dir, "folder")).unwrap();
    fs::write(name(&dir, "taken"), b"theirs").unwrap();
    let file = create(&dir, "from");
    write(&*file, 0, b"mine").unwrap();

    let mut taken = vec!["taken", "folder"];
    taken.extend(symlink(&name(&dir, "none"), &name(&dir, "dangling")).then_some("dangling"));
    for to in taken {
        assert_eq!(kind_of(OsIo.rename_new(&name(&dir, "from"), &name(&dir, to))), ErrorKind::AlreadyExists, "{to}");
        assert!(file.is_at(&name(&dir, "from")).unwrap());
    }
    assert_eq!(fs::read(name(&dir, "taken")).unwrap(), b"theirs");
    assert!(name(&dir, "folder").is_dir());

    // While it is open, and into another folder.
    OsIo.rename_new(&name(&dir, "from"), &name(&dir, "to")).unwrap();
    OsIo.rename_new(&name(&dir, "to"), &name(&dir, "folder/to")).unwrap();
    assert!(!name(&dir, "from").exists() && !name(&dir, "to").exists());
    assert!(file.is_at(&name(&dir, "folder/to")).unwrap());
    assert_eq!(kind_of(OsIo.rename_new(&name(&dir, "from"), &name(&dir, "to"))), ErrorKind::NotFound);
    assert!(!name(&dir, "to").exists());
}

#[test]
fn is_at_follows_the_file_and_not_the_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = create(&dir, "name");
    assert!(file.is_at(&name(&dir, "name")).unwrap());
    assert!(!file.is_at(&name(&dir, "none")).unwrap());
    assert!(!file.is_at(dir.path()).unwrap());

    if symlink(&name(&dir, "name"), &name(&dir, "link")) {
        assert!(!file.is_at(&name(&dir, "link")).unwrap());
    }
    OsIo.rename_new(&name(&dir, "name"), &name(&dir, "elsewhere")).unwrap();
    assert!(!file.is_at(&name(&dir, "name")).unwrap());
    assert!(file.is_at(&name(&dir, "elsewhere")).unwrap());

    let other = create(&dir, "name");
    assert!(!file.is_at(&name(&dir, "name")).unwrap());
    assert!(other.is_at(&name(&dir, "name")).unwrap());

    if !os::removal_is_immediate(&dir) {
        return;
    }
    OsIo.remove_file(&name(&dir, "name")).unwrap();
    assert!(!other.is_at(&name(&dir, "name")).unwrap());
}

#[test]
fn removed_files_go_on_working() {
    let dir = tempfile::tempdir().unwrap();
    let file = create(&dir, "gone");
    write(&*file, 0, b"before").unwrap();
    OsIo.remove_file(&name(&dir, "gone")).unwrap();
    assert_eq!(kind_of(OsIo.remove_file(&name(&dir, "never"))), ErrorKind::NotFound);
    write(&*file, 6, b" and after").unwrap();
    file.sync_data().unwrap();
    assert_eq!(os::read(&*file, 0, 64), b"before and after");
    drop(file);
    assert_eq!(kind_of(open(&name(&dir, "gone"))), ErrorKind::NotFound);
}

#[test]
fn remove_file_removes_a_link_and_not_what_it_leads_to() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(name(&dir, "file"), b"stays").unwrap();
    if symlink(&name(&dir, "file"), &name(&dir, "link")) {
        OsIo.remove_file(&name(&dir, "link")).unwrap();
        assert!(fs::symlink_metadata(name(&dir, "link")).is_err());
        assert_eq!(fs::read(name(&dir, "file")).unwrap(), b"stays");
    }
}

#[test]
fn folders_are_made_one_at_a_time_and_removed_when_empty() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(kind_of(OsIo.create_dir(&name(&dir, "a/b"))), ErrorKind::NotFound);
    OsIo.create_dir(&name(&dir, "a")).unwrap();
    OsIo.create_dir(&name(&dir, "a/b")).unwrap();
    assert_eq!(kind_of(OsIo.create_dir(&name(&dir, "a/b"))), ErrorKind::AlreadyExists);
    assert!(OsIo.remove_dir(&name(&dir, "a")).is_err());
    OsIo.remove_dir(&name(&dir, "a/b")).unwrap();
    OsIo.remove_dir(&name(&dir, "a")).unwrap();
    assert_eq!(kind_of(OsIo.remove_dir(&name(&dir, "a"))), ErrorKind::NotFound);
}

#[test]
fn sync_dir_is_for_folders_that_are_there() {
    let dir = tempfile::tempdir().unwrap();
    create(&dir, "file");
    OsIo.sync_dir(dir.path()).unwrap();
    assert_eq!(kind_of(OsIo.sync_dir(&name(&dir, "none"))), ErrorKind::NotFound);
    assert!(OsIo.sync_dir(&name(&dir, "file")).is_err());
}

#[test]
fn read_dir_visits_every_entry_and_stops_at_the_first_error() {
    let dir = tempfile::tempdir().unwrap();
    create(&dir, "file");
    create(&dir, ".hidden");
    OsIo.create_dir(&name(&dir, "folder")).unwrap();
    let mut expected = vec![(".hidden", FileKind::File), ("file", FileKind::File), ("folder", FileKind::Dir)];
    if symlink(&name(&dir, "none"), &name(&dir, "link")) {
        expected.push(("link", FileKind::Symlink));
    }

    let mut found: Vec<DirEntry> = Vec::new();
    OsIo.read_dir(dir.path(), &mut |entry| {
        found.push(entry);
        Ok(())
    })
    .unwrap();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    let found: Vec<_> = found.iter().map(|entry| (entry.name.to_str().unwrap(), entry.kind)).collect();
    assert_eq!(found, expected);

    let mut visits = 0;
    let result = OsIo.read_dir(dir.path(), &mut |_| {
        visits += 1;
        if visits == 2 { Err(Error::other("enough")) } else { Ok(()) }
    });
    assert_eq!(result.unwrap_err().to_string(), "enough");
    assert_eq!(visits, 2);
    assert_eq!(kind_of(OsIo.read_dir(&name(&dir, "none"), &mut |_| Ok(()))), ErrorKind::NotFound);
}

#[test]
fn metadata_and_read_link_look_at_the_link_itself() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(name(&dir, "file"), b"12345").unwrap();
    let metadata = OsIo.metadata(&name(&dir, "file")).unwrap();
    assert_eq!((metadata.kind, metadata.len), (FileKind::File, 5));
    assert_eq!(OsIo.metadata(dir.path()).unwrap().kind, FileKind::Dir);
    assert_eq!(kind_of(OsIo.metadata(&name(&dir, "none"))), ErrorKind::NotFound);
    assert!(OsIo.read_link(&name(&dir, "file")).is_err());
    if symlink(Path::new("somewhere-else"), &name(&dir, "link")) {
        assert_eq!(OsIo.metadata(&name(&dir, "link")).unwrap().kind, FileKind::Symlink);
        assert_eq!(OsIo.read_link(&name(&dir, "link")).unwrap(), Path::new("somewhere-else"));
    }
}

#[test]
fn canonicalize_resolves_links_and_dots() {
    let dir = tempfile::tempdir().unwrap();
    OsIo.create_dir(&name(&dir, "folder")).unwrap();
    let real = OsIo.canonicalize(&name(&dir, "folder")).unwrap();
    assert!(real.is_absolute());
    assert_eq!(OsIo.canonicalize(&name(&dir, "folder/../folder/.")).unwrap(), real);
    if symlink(&name(&dir, "folder"), &name(&dir, "link")) {
        assert_eq!(OsIo.canonicalize(&name(&dir, "link")).unwrap(), real);
    }
    assert_eq!(kind_of(OsIo.canonicalize(&name(&dir, "none"))), ErrorKind::NotFound);
}

#[test]
fn canonical_paths_are_taken_by_every_call_however_long() {
    let dir = tempfile::tempdir().unwrap();
    let mut real = OsIo.canonicalize(dir.path()).unwrap();
    for _ in 0..4 {
        real.push("a-name-of-a-hundred-characters-".repeat(4).get(..100).unwrap());
        OsIo.create_dir(&real).unwrap();
    }
    let file = OsIo.create(&real.join("a"), 0o600, OpenOptions::default()).unwrap();
    OsIo.rename_new(&real.join("a"), &real.join("b")).unwrap();
    OsIo.sync_dir(&real).unwrap();
    assert!(file.is_at(&real.join("b")).unwrap());
    assert!(OsIo.open_lock(&real.join("lock"), Some(0o600)).unwrap().try_lock().unwrap());
    OsIo.write_note(&real.join("note"), 0o600, b"note").unwrap();
    assert_eq!(OsIo.read_note(&real.join("note"), 9).unwrap(), b"note");
    assert_eq!(OsIo.metadata(&real.join("note")).unwrap().len, 4);
    OsIo.remove_file(&real.join("b")).unwrap();
}

#[test]
fn a_path_with_a_zero_in_it_names_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = name(&dir, "a\0b");
    create(&dir, "a");
    assert_eq!(kind_of(open(&path)), ErrorKind::InvalidInput);
    assert_eq!(kind_of(OsIo.create(&path, 0o600, OpenOptions::default())), ErrorKind::InvalidInput);
    assert_eq!(kind_of(OsIo.rename_new(&name(&dir, "a"), &path)), ErrorKind::InvalidInput);
    assert_eq!(kind_of(OsIo.rename_new(&path, &name(&dir, "b"))), ErrorKind::InvalidInput);
    assert_eq!(kind_of(OsIo.remove_file(&path)), ErrorKind::InvalidInput);
    assert!(name(&dir, "a").exists());
}
