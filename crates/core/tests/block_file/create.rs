//! A file is created whole or not at all, and never in the place of another.

use std::fs;
use std::path::Path;

use pstream_core::{BlockFile, CreateOptions, ErrorKind, OsIo, Reserve};

use crate::common::probe::{can_reserve, skip};
use crate::common::{assert_code, assert_fails, create, create_options, failure, folder, names, open, shape};

fn create_with(path: &Path, options: CreateOptions) -> pstream_core::Result<BlockFile> {
    BlockFile::create(&OsIo, path, shape(4, 12), options)
}

#[test]
fn the_length_is_final_and_the_space_reserved() {
    let folder = folder();
    let path = folder.path().join("data");
    let file = create(&path, 5, 16);
    assert_eq!(fs::metadata(&path).unwrap().len(), 5 << 16);
    assert_eq!(file.reserved(), can_reserve());
    assert_eq!((file.shape(), file.path()), (shape(5, 16), &*fs::canonicalize(&path).unwrap()));
    assert_eq!(names(folder.path()), ["data"], "nothing temporary is left");
    let mut bytes = vec![1; 5 << 16];
    file.load_bytes(0, &mut bytes).unwrap();
    assert!(bytes.iter().all(|byte| *byte == 0));
    file.close();
    if !can_reserve() {
        return skip("that an opened file has its space: none can be reserved");
    }
    assert!(open(&path, 16).reserved());
}

#[test]
fn an_existing_file_is_never_replaced() {
    let folder = folder();
    let path = folder.path().join("data");
    fs::write(&path, "mine").unwrap();
    let error = failure(create_with(&path, create_options()));
    assert_eq!((error.kind(), error.syscall()), (&ErrorKind::AlreadyExists, Some("create")));
    assert_eq!(error.path(), Some(&*fs::canonicalize(&path).unwrap()));
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    fs::create_dir(folder.path().join("folder")).unwrap();
    assert_code(create_with(&folder.path().join("folder"), create_options()), "PSTREAM_ALREADY_EXISTS");
    assert_eq!(names(folder.path()), ["data", "folder"]);
}

/// Of many that create one name at once exactly one succeeds, and nobody leaves anything behind.
#[test]
fn of_many_creators_one_wins() {
    let folder = folder();
    let path = folder.path().join("data");
    let won: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| create_with(&path, create_options()).map_err(|error| error.code())))
            .collect();
        let results = threads.into_iter().map(|thread| thread.join().unwrap());
        results
            .map(|result| match result {
                Ok(_) => 1,
                Err(code) => {
                    assert_eq!(code, "PSTREAM_ALREADY_EXISTS");
                    0
                }
            })
            .sum()
    });
    assert_eq!(won, 1);
    assert_eq!(names(folder.path()), ["data"]);
}

#[test]
fn the_folder_must_exist_and_be_one() {
    let folder = folder();
    assert_code(create_with(&folder.path().join("none/data"), create_options()), "PSTREAM_NOT_FOUND");
    fs::write(folder.path().join("file"), "").unwrap();
    failure(create_with(&folder.path().join("file/data"), create_options()));
    assert_eq!(names(folder.path()), ["file"]);
}

#[test]
fn a_path_names_a_file() {
    for path in ["", ".", "..", "/", "a/.."] {
        let result = create_with(Path::new(path), create_options());
        assert_fails(result, &ErrorKind::InvalidInput, "path has no file name");
    }
    let result = create_with(Path::new("da\0ta"), create_options());
    assert_fails(result, &ErrorKind::InvalidInput, "path contains a zero byte");
}

/// Written zeros are data to the file system, reserved space is a hole.
#[test]
fn prewriting_really_writes() {
    let folder = folder();
    let whole = 4 << 12;
    let merely_reserved = create_with(&folder.path().join("reserved"), create_options()).unwrap();
    let options = CreateOptions { prewrite: true, ..create_options() };
    let prewritten = create_with(&folder.path().join("written"), options).unwrap();
    assert_eq!(prewritten.next_data(0).unwrap(), Some(0..whole));
    let hole = merely_reserved.next_data(0).unwrap();
    assert!(hole.is_none() || hole == Some(0..whole), "none where the system can tell: {hole:?}");
    let mut bytes = vec![1; 4 << 12];
    prewritten.load_bytes(0, &mut bytes).unwrap();
    assert!(bytes.iter().all(|byte| *byte == 0));
}

/// More than the step in which zeros are written, and no multiple of it.
#[test]
fn prewriting_covers_a_large_file() {
    let folder = folder();
    let options = CreateOptions { prewrite: true, ..create_options() };
    let file = BlockFile::create(&OsIo, &folder.path().join("data"), shape(4355, 12), options).unwrap();
    assert_eq!(file.next_data(0).unwrap(), Some(0..4355 << 12));
    assert_eq!(fs::metadata(file.path()).unwrap().len(), 4355 << 12);
}

#[test]
fn going_on_without_a_reservation_still_reserves_where_it_can() {
    let folder = folder();
    let options = CreateOptions { reserve: Reserve::BestEffort, ..CreateOptions::default() };
    let file = create_with(&folder.path().join("data"), options).unwrap();
    file.store_bytes(0, b"x").unwrap();
    assert_eq!(file.reserved(), can_reserve());
    // Unless asked for, there is no going on.
    let usual = create_with(&folder.path().join("usual"), CreateOptions::default());
    if can_reserve() {
        assert!(usual.unwrap().reserved());
    } else {
        assert_code(usual, "PSTREAM_UNSUPPORTED");
        assert_eq!(names(folder.path()), ["data"]);
    }
}

#[cfg(unix)]
#[test]
fn the_mode_is_0600_unless_asked_otherwise() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let mode = |name: &str, options| {
        let path = folder.path().join(name);
        create_with(&path, options).unwrap();
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode("usual", create_options()), 0o600);
    assert_eq!(mode("given", CreateOptions { mode: 0o400, ..create_options() }), 0o400);
}

#[cfg(unix)]
#[test]
fn a_link_in_its_place_is_neither_followed_nor_replaced() {
    let folder = folder();
    let path = folder.path().join("link");
    std::os::unix::fs::symlink("target", &path).unwrap();
    assert_code(create_with(&path, create_options()), "PSTREAM_ALREADY_EXISTS");
    assert_eq!(names(folder.path()), ["link"]);
}

/// No file system holds 2^62 bytes: the reservation fails, or the length, and nothing is left.
#[test]
fn what_cannot_be_reserved_leaves_nothing() {
    let folder = folder();
    let result = BlockFile::create(&OsIo, &folder.path().join("data"), shape(1 << 50, 12), create_options());
    failure(result);
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

/// A crash leaves a half-made file behind under a name that a later process with the same pid would choose again: in a
/// container every process has pid 1.
#[test]
fn left_overs_of_a_process_with_the_same_pid_are_not_in_the_way() {
    let folder = folder();
    for number in 0..0x400 {
        let name = format!(".pstream-tmp-{:x}-{number:x}", std::process::id());
        fs::write(folder.path().join(name), "").unwrap();
    }
    create_with(&folder.path().join("data"), create_options()).unwrap();
}
