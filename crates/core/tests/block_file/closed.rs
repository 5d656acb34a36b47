//! After a close every call says so; calls that were under way are not disturbed.

use std::sync::atomic::{AtomicBool, Ordering};

use pstream_core::{Durability, ErrorKind};

use crate::common::probe::can_reserve;
use crate::common::{assert_fails, create, folder, open, pattern};

#[test]
fn a_closed_file_does_nothing_more() {
    let folder = folder();
    let file = create(&folder.path().join("data"), 4, 12);
    file.close();
    file.close();
    let (kind, message) = (&ErrorKind::Closed, "file is closed");
    assert_fails(file.load(0, &mut []), kind, message);
    assert_fails(file.load_bytes(0, &mut [0]), kind, message);
    assert_fails(file.check_load(0, 1), kind, message);
    assert_fails(file.store(0, &[]), kind, message);
    assert_fails(file.store_bytes(0, b"x"), kind, message);
    assert_fails(file.check_store(9, &[1]), kind, message);
    assert_fails(file.write_at(0, &[], Durability::Cached), kind, message);
    assert_fails(file.read_at(0, &mut []), kind, message);
    assert_fails(file.sync(), kind, message);
    assert_fails(file.zero(0..1), kind, message);
    assert_fails(file.evict(&(0..1)), kind, message);
    assert_fails(file.residency(0..1), kind, message);
    assert_fails(file.next_data(0), kind, message);
    assert_eq!((file.shape().block_count(), file.reserved()), (4, can_reserve()));
    open(file.path(), 12).load_bytes(0, &mut [0]).unwrap();
}

/// Closed in the middle of loads and stores: each of them either is done or says that the file is closed, and what a
/// store that succeeded wrote is there.
#[test]
fn a_close_amid_loads_and_stores() {
    let folder = folder();
    for round in 0..20_u64 {
        let file = create(&folder.path().join(format!("{round}")), 16, 12);
        let stop = AtomicBool::new(false);
        let stored = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4_u64)
                .map(|thread| {
                    let (file, stop) = (&file, &stop);
                    scope.spawn(move || {
                        let mut last = None;
                        for attempt in 0.. {
                            let bytes = pattern(4096, attempt);
                            match file.store_bytes(thread, &bytes) {
                                Ok(()) => last = Some(bytes),
                                Err(error) => {
                                    assert_eq!(error.code(), "PSTREAM_CLOSED");
                                    break;
                                }
                            }
                            if let Err(error) = file.load_bytes(thread, &mut [0; 100]) {
                                assert_eq!(error.code(), "PSTREAM_CLOSED");
                                break;
                            }
                        }
                        stop.store(true, Ordering::Relaxed);
                        last
                    })
                })
                .collect();
            std::thread::sleep(std::time::Duration::from_millis(round % 5));
            file.close();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        let file = open(file.path(), 12);
        for (thread, bytes) in stored.into_iter().enumerate() {
            if let Some(bytes) = bytes {
                let mut read = vec![0; 4096];
                file.load_bytes(thread as u64, &mut read).unwrap();
                assert!(read == bytes, "thread {thread}");
            }
        }
    }
}
