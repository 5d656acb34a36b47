//! Any number of threads on one sequence: allocs and releases are done one after the other, and a retrieve sees a
//! state between two of them. The crate asserts on some of these races, and so aborts.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::common::probe::removal_is_immediate;
use crate::common::{folder, indexes, names, sequence};

/// Every thread does as many allocs as releases, so that the sequence only moves.
#[test]
fn sixteen_threads_alloc_release_and_retrieve() {
    const THREADS: u32 = 16;
    const ROUNDS: u32 = 12;
    const BUFFER: u32 = 10;
    let folder = folder();
    let sequence = sequence(folder.path(), "s");
    for _ in 0..BUFFER {
        sequence.alloc(None).unwrap();
    }
    // Elsewhere a file that one thread has released stays listed, out of range, as long as another has it open: few do,
    // and none while it waits for the others.
    let (immediate, one_at_a_time) = (removal_is_immediate(&folder), Mutex::new(()));
    let releases = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    let made = sequence.alloc(None).unwrap();
                    made.store_bytes(0, &made.index().to_le_bytes()).unwrap();
                    if !immediate {
                        made.close();
                    }
                    loop {
                        // In between two calls nothing is broken, duplicate or out of range.
                        let _alone = (!immediate).then(|| one_at_a_time.lock().unwrap());
                        let mut files = match sequence.retrieve() {
                            Err(error) if !immediate && error.code() == "PSTREAM_SEQUENCE_OUT_OF_RANGE" => continue,
                            files => files.unwrap(),
                        };
                        let Some(first) = files.next() else { continue };
                        match first.and_then(|first| sequence.release(&first)) {
                            Ok(()) => break,
                            Err(error) => {
                                let raced = ["PSTREAM_NOT_FOUND", "PSTREAM_SEQUENCE_OUT_OF_RANGE"];
                                assert!(raced.contains(&error.code()), "{error}");
                            }
                        }
                    }
                    releases.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(releases.into_inner(), THREADS * ROUNDS);
    let moved = u16::try_from(THREADS * ROUNDS).unwrap();
    let expected: Vec<u16> = (moved + 1..=moved + u16::try_from(BUFFER).unwrap()).collect();
    assert_eq!(indexes(&sequence).unwrap(), expected);
    sequence.close().unwrap();
    assert_eq!(names(folder.path()).len(), expected.len());
}

/// A close amid allocs: each of them either made its file or says that the sequence is closed.
#[test]
fn a_close_amid_allocs() {
    for round in 0..10 {
        let folder = folder();
        let opened = sequence(folder.path(), "s");
        let made: u16 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let mut made = 0;
                        loop {
                            match opened.alloc(None) {
                                Ok(_) => made += 1,
                                Err(error) => {
                                    assert_eq!(error.code(), "PSTREAM_CLOSED", "{error}");
                                    return made;
                                }
                            }
                        }
                    })
                })
                .collect();
            std::thread::sleep(std::time::Duration::from_millis(round));
            opened.close().unwrap();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(indexes(&sequence(folder.path(), "s")).unwrap(), (1..=made).collect::<Vec<_>>());
    }
}

/// Many threads release the same file: one of them succeeds.
#[test]
fn of_many_releases_of_one_file_one_wins() {
    let folder = folder();
    let sequence = sequence(folder.path(), "s");
    for _ in 0..10 {
        let file = sequence.alloc(None).unwrap();
        sequence.alloc(None).unwrap();
        let won: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| sequence.release(&file).is_ok())).collect();
            threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
        });
        assert_eq!(won, 1);
        let rest = sequence.retrieve().unwrap().next().unwrap().unwrap();
        sequence.release(&rest).unwrap();
    }
}
