//! Opening a file: its length says how many blocks it has, and whatever is not a plain file is refused.

use std::fs::{self, File};

use pstream_core::{BlockFile, ErrorKind, FileOptions, OsIo};

use crate::common::{assert_code, assert_fails, create, failure, folder, open, pattern, shape, sparse, try_open};

#[test]
fn the_block_count_follows_from_the_length() {
    let folder = folder();
    let path = folder.path().join("data");
    create(&path, 24, 12);
    for (shift, count) in [(12, 24), (13, 12), (14, 6), (15, 3)] {
        assert_eq!(open(&path, shift).shape(), shape(count, shift));
    }
    assert_fails(try_open(&path, 16), &ErrorKind::InvalidFile, "file size not aligned to block size");
}

/// Another shift than the one it was created with shows the same bytes, cut differently.
#[test]
fn another_shift_shows_the_same_bytes() {
    let folder = folder();
    let path = folder.path().join("data");
    let bytes = pattern(8 << 12, 1);
    create(&path, 8, 12).store_bytes(0, &bytes).unwrap();
    let mut read = vec![0; 1 << 14];
    open(&path, 14).load_bytes(1, &mut read).unwrap();
    assert_eq!(read, bytes[1 << 14..]);
}

#[test]
fn a_length_that_does_not_fit_is_refused() {
    let folder = folder();
    let path = folder.path().join("data");
    sparse(&path, 0);
    assert_fails(try_open(&path, 12), &ErrorKind::InvalidFile, "zero file size");
    for len in [1, 4095, 4097, (1 << 20) - 1] {
        File::options().write(true).open(&path).unwrap().set_len(len).unwrap();
        assert_fails(try_open(&path, 12), &ErrorKind::InvalidFile, "file size not aligned to block size");
    }
}

#[test]
fn the_shift_is_checked_before_anything_is_touched() {
    let folder = folder();
    for shift in [0, 11, 29, 64, u32::MAX] {
        let message = "block shift must be between 12 and 28 inclusive";
        assert_fails(try_open(&folder.path().join("none"), shift), &ErrorKind::InvalidInput, message);
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    let folder = folder();
    let error = failure(try_open(&folder.path().join("none"), 12));
    assert_eq!((error.kind(), error.syscall()), (&ErrorKind::NotFound, Some("open")));
    assert_code(try_open(&folder.path().join("none/none"), 12), "PSTREAM_NOT_FOUND");
}

#[test]
fn a_read_only_file_is_read_and_never_written() {
    let folder = folder();
    let path = folder.path().join("data");
    create(&path, 4, 12).store_bytes(0, b"hello").unwrap();
    let options = FileOptions { read_only: true, ..FileOptions::default() };
    let file = BlockFile::open(&OsIo, &path, 12, options).unwrap();
    let mut read = [0; 5];
    file.load_bytes(0, &mut read).unwrap();
    assert_eq!(&read, b"hello");
    let message = "file was opened read-only";
    assert_fails(file.store_bytes(0, b"x"), &ErrorKind::InvalidInput, message);
    assert_fails(file.store(0, &[]), &ErrorKind::InvalidInput, message);
    assert_fails(file.zero(0..4096), &ErrorKind::InvalidInput, message);
    assert_fails(file.sync(), &ErrorKind::InvalidInput, message);
    file.load_bytes(0, &mut read).unwrap();
    assert_eq!(&read, b"hello");
}

#[test]
fn a_folder_is_refused() {
    let folder = folder();
    let path = fs::canonicalize(folder.path()).unwrap().join("folder");
    fs::create_dir(&path).unwrap();
    let error = failure(try_open(&path, 12));
    assert_eq!(*error.kind(), ErrorKind::InvalidFile, "{error}");
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_is_refused_wherever_it_leads() {
    let folder = folder();
    let target = folder.path().join("data");
    create(&target, 1, 12);
    for (name, to) in [("to-a-file", "data"), ("dangling", "none"), ("to-itself", "to-itself"), ("to-a-folder", ".")] {
        let link = folder.path().join(name);
        std::os::unix::fs::symlink(to, &link).unwrap();
        let path = fs::canonicalize(folder.path()).unwrap().join(name);
        let message = format!("'{}' is not a regular file", path.display());
        assert_fails(try_open(&link, 12), &ErrorKind::InvalidFile, &message);
    }
}

/// The folder may be reached by a link: only the last component names the file.
#[cfg(unix)]
#[test]
fn a_link_to_the_folder_is_followed_once() {
    let folder = folder();
    fs::create_dir(folder.path().join("real")).unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("real", &link).unwrap();
    let file = create(&link.join("data"), 1, 12);
    assert_eq!(file.path(), fs::canonicalize(folder.path()).unwrap().join("real").join("data"));
}

/// A pipe in the file's place must not make the caller wait for a writer.
#[cfg(unix)]
#[test]
fn a_pipe_or_a_device_is_refused_at_once() {
    let folder = folder();
    let path = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    if made.is_ok_and(|status| status.success()) {
        assert_code(try_open(&path, 12), "PSTREAM_INVALID_FILE");
        let options = FileOptions { read_only: true, ..FileOptions::default() };
        assert_code(BlockFile::open(&OsIo, &path, 12, options), "PSTREAM_INVALID_FILE");
    }
    assert_code(try_open(std::path::Path::new("/dev/null"), 12), "PSTREAM_INVALID_FILE");
}

/// What was written, but never reserved, counts as reserved only where the system says that it has the space.
#[test]
fn a_sparse_file_is_not_reserved() {
    let folder = folder();
    let path = folder.path().join("data");
    sparse(&path, 1 << 24);
    let file = open(&path, 12);
    if cfg!(target_os = "linux") {
        assert!(!file.reserved());
    }
    file.store_bytes(4095, &pattern(4096, 3)).unwrap();
}
