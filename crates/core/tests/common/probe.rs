//! What the system at hand can do, found out by trying. What it cannot do is not tested there, and the output says so.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::OnceLock;

use pstream_core::OsIo;
use pstream_core::io::{Io, OpenOptions};
use tempfile::TempDir;

/// Says what is not tested here, and why.
#[allow(clippy::print_stderr, reason = "that is what it is for")]
pub(crate) fn skip(what: &str) {
    eprintln!("skipped: {what}");
}

/// Whether the file system of temporary folders reserves space.
pub(crate) fn can_reserve() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let file = OsIo.create(&dir.path().join("probe"), 0o600, OpenOptions::default()).unwrap();
        match file.reserve(1 << 16) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                // Every file system that Linux is tested on does: there, a probe that fails has found a bug.
                assert_ne!(std::env::consts::OS, "linux", "{error}");
                skip("reserve: the file system cannot (wine; FAT)");
                false
            }
            Err(error) => panic!("{error}"),
        }
    })
}

/// Whether a name is gone as soon as it is removed, though the file is still open.
pub(crate) fn removal_is_immediate(dir: &TempDir) -> bool {
    let path = dir.path().join("probe");
    let file = OsIo.create(&path, 0o600, OpenOptions::default()).unwrap();
    OsIo.remove_file(&path).unwrap();
    let gone = fs::symlink_metadata(&path).is_err();
    drop(file);
    if !gone {
        lingering();
    }
    gone
}

/// Removes a file by hand that is open here, and says whether its name is free now.
pub(crate) fn remove_open(path: &Path) -> bool {
    let gone = fs::remove_file(path).is_ok() && fs::symlink_metadata(path).is_err();
    if !gone {
        lingering();
    }
    gone
}

fn lingering() {
    // No Unix system does so.
    assert_eq!(std::env::consts::FAMILY, "windows");
    skip("removal of open files: names stay until the last handle is closed (wine; FAT)");
}

/// Renames what is open here by hand, and says whether it has another name now.
pub(crate) fn rename_open(from: &Path, to: &Path) -> bool {
    let renamed = fs::rename(from, to);
    if let Err(error) = &renamed {
        assert_eq!(std::env::consts::FAMILY, "windows");
        skip(&format!("renaming what is open: {error}"));
    }
    renamed.is_ok()
}

/// Whether the system tells the canonical form of this path, which is long.
pub(crate) fn can_resolve(path: &Path) -> bool {
    let resolved = fs::canonicalize(path);
    if let Err(error) = &resolved {
        // `GetFinalPathNameByHandleW` of wine 8 takes no more than 260 characters.
        assert_eq!(std::env::consts::FAMILY, "windows");
        skip(&format!("resolving long paths: {error}"));
    }
    resolved.is_ok()
}

/// Makes a symbolic link, and says whether there is one now.
#[cfg(unix)]
pub(crate) fn symlink(target: &Path, link: &Path) -> bool {
    std::os::unix::fs::symlink(target, link).unwrap();
    true
}

/// Makes a symbolic link, and says whether there is one now: Windows wants a privilege for it, and wine has none.
#[cfg(windows)]
pub(crate) fn symlink(target: &Path, link: &Path) -> bool {
    use std::os::windows::fs::{symlink_dir, symlink_file};
    let made = if target.is_dir() { symlink_dir(target, link) } else { symlink_file(target, link) };
    let is_link = made.is_ok() && fs::symlink_metadata(link).is_ok_and(|found| found.is_symlink());
    if !is_link {
        skip("symbolic links: none can be made here");
    }
    is_link
}
