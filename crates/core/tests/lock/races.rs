//! Many who open and close at once. Whoever is inside makes a file that must not be there, and removes it again: two
//! holders would meet there.
//!
//! The story: a closing holder removes the lock file while it holds the lock. Without a check that the path still names
//! the file that was locked, one process locks a file that is no longer anywhere while the next one makes a new file and
//! locks that: two holders.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use pstream_core::sequence::inspect;

use crate::common::{Guarded, folder, helper, names, os, sequence};
use crate::open_within;

const THREADS: usize = 4;
const ROUNDS: usize = 25;

/// Opens and closes the sequence in `folder/root` over and over, alone inside each time.
pub fn hammer(folder: &Path) {
    let (root, inside) = (folder.join("root"), folder.join("inside"));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (root, inside) = (&root, &inside);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let sequence = open_within(root, Duration::from_secs(60)).expect("the lock, in the end");
                    File::create_new(inside).expect("nobody else inside");
                    if (thread + round) % 3 == 0 {
                        std::thread::yield_now();
                    }
                    fs::remove_file(inside).unwrap();
                    if round % 2 == 0 {
                        sequence.close().unwrap();
                    }
                }
            });
        }
    });
}

#[test]
fn threads_and_processes_never_meet_inside() {
    let folder = folder();
    fs::create_dir(folder.path().join("root")).unwrap();
    let mut children: Vec<Guarded> =
        (0..3).map(|_| Guarded(helper("hammer", folder.path()).spawn().unwrap())).collect();
    hammer(folder.path());
    for child in &mut children {
        assert!(child.0.wait().unwrap().success());
    }
    assert_eq!(names(&folder.path().join("root")), Vec::<String>::new());
}

/// Who looks holds the lock for a moment. The default timeout rides that out.
#[test]
fn who_looks_is_in_nobodys_way() {
    let folder = folder();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    inspect(&*os(), folder.path(), "s").unwrap();
                }
            });
        }
        for _ in 0..200 {
            sequence(folder.path(), "s").close().unwrap();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

/// Looking at a sequence in use sees a state of it, never an error: files come and go between listing and looking.
#[test]
fn looking_at_a_sequence_in_use() {
    let folder = folder();
    let sequence = sequence(folder.path(), "s");
    for _ in 0..20 {
        sequence.alloc(None).unwrap();
    }
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let lookers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        inspect(&*os(), folder.path(), "s")?;
                    }
                    pstream_core::Result::Ok(())
                })
            })
            .collect();
        for _ in 0..150 {
            sequence.alloc(None).unwrap();
            let first = sequence.retrieve().unwrap().next().unwrap().unwrap();
            sequence.release(&first).unwrap();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        for looker in lookers {
            looker.join().unwrap().unwrap();
        }
    });
}
