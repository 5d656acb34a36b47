//! What stays in the page cache, on the real operating system: a few MiB, however much is stored and loaded, and nothing
//! once the file is closed.
//!
//! Two traps were measured in the Rust crate: it passes an end where `posix_fadvise` takes a length, and it drops just the
//! range it has read, of which 37 to 88 % stay because large folios straddle its ends.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    unreachable_pub,
    reason = "tests say what they expect by panicking"
)]

mod common;

use std::ops::Range;

use common::probe::skip;
use common::{create, create_options, folder, open, pattern, shape};
use pstream_core::{BlockFile, CachePolicy, CreateOptions, FileOptions, OsIo, Residency};

const LEN: usize = 1 << 20;

/// Stores and loads 1 MiB, too little for a drop on the way, closes, and looks through another handle.
fn left_over(cache: CachePolicy, close: impl Fn(BlockFile)) -> Residency {
    let folder = folder();
    let path = folder.path().join("data");
    let file = FileOptions { cache, ..FileOptions::default() };
    let options = CreateOptions { file, ..create_options() };
    let writer = BlockFile::create(&OsIo, &path, shape(256, 12), options).unwrap();
    let watcher = open(&path, 12);
    writer.store_bytes(0, &vec![7; LEN]).unwrap();
    writer.load_bytes(0, &mut vec![0; LEN]).unwrap();
    close(writer);
    let left = watcher.residency(0..LEN as u64).unwrap();
    if left == Residency::Unknown {
        skip("page cache: what is in it cannot be told here");
    }
    left
}

#[test]
fn a_small_file_leaves_nothing_in_the_page_cache_when_it_is_closed() {
    let empty = [Residency::Bytes(0), Residency::InMemory, Residency::Unknown];
    assert!(empty.contains(&left_over(CachePolicy::Drop, |file| file.close())));
    assert!(empty.contains(&left_over(CachePolicy::Drop, drop)));
}

#[test]
fn what_is_to_be_kept_is_kept() {
    assert_ne!(left_over(CachePolicy::Keep, drop), Residency::Bytes(0));
}

/// 256 MiB.
const SIZE: u64 = 1 << 28;

/// So much may go through between two drops, and as much again may straddle; and what one call takes.
fn allowed(call: u64) -> u64 {
    (16 << 20) + 2 * call
}

/// Where cached bytes cannot be counted there is nothing to test.
fn resident(file: &BlockFile, range: Range<u64>) -> Option<u64> {
    match file.residency(range).unwrap() {
        Residency::Bytes(bytes) => Some(bytes),
        other => {
            skip(&format!("page cache: what is in it cannot be told here ({other:?})"));
            None
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Order {
    Forward,
    /// Every call once, without neighbours.
    Scattered,
}

/// Stores and loads a file whole, in calls of this length and in this order, and watches what is cached.
#[track_caller]
fn stays_flat(call: u64, order: Order) {
    let folder = folder();
    let file = create(&folder.path().join("data"), SIZE >> 16, 16);
    let calls = SIZE / call;
    let bytes = pattern(call as usize, 1);
    let mut read = vec![0; call as usize];
    for what in ["store", "load"] {
        for number in 0..calls {
            // The number of calls is a power of two, and the factor is odd.
            let place = if order == Order::Forward { number } else { number.wrapping_mul(0x9e37_79b9) % calls };
            let block = place * (call >> 16);
            if what == "store" {
                file.store_bytes(block, &bytes).unwrap();
            } else {
                file.load_bytes(block, &mut read).unwrap();
                assert!(read == bytes);
            }
            // Behind a reader that goes forward lies what the system reads ahead, as much as it is told to.
            let end = if order == Order::Forward { (number + 1) * call } else { SIZE };
            // Looking at 256 MiB takes a while: not after every small call.
            if call >= 1 << 20 || number.is_multiple_of(64) || number + 1 == calls {
                let Some(cached) = resident(&file, 0..end) else { return };
                assert!(cached <= allowed(call), "{cached} bytes are cached after {what} {number} of {call} bytes");
            }
        }
    }
}

#[test]
fn small_calls_in_order() {
    stays_flat(1 << 18, Order::Forward);
}

#[test]
fn small_calls_all_over_the_file() {
    stays_flat(1 << 18, Order::Scattered);
}

#[test]
fn large_calls_in_order() {
    stays_flat(1 << 25, Order::Forward);
}

#[test]
fn large_calls_all_over_the_file() {
    stays_flat(1 << 25, Order::Scattered);
}

/// One call for all of it: it is dropped along the way.
#[test]
fn one_call_for_everything() {
    let folder = folder();
    let file = create(&folder.path().join("data"), SIZE >> 20, 20);
    let bytes = vec![1; SIZE as usize];
    let mut read = vec![0; SIZE as usize];
    for direction in ["store", "load"] {
        let mut most = Some(0);
        std::thread::scope(|scope| {
            let call = scope.spawn(|| match direction {
                "store" => file.store_bytes(0, &bytes),
                _ => file.load_bytes(0, &mut read),
            });
            while !call.is_finished() {
                most = most.and_then(|most: u64| Some(most.max(resident(&file, 0..SIZE)?)));
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            call.join().unwrap().unwrap();
        });
        let Some(most) = most else { return };
        // Two chunks are on their way at any time, and the drop comes after the second; or so much is read ahead.
        assert!(most <= allowed(1 << 25), "{most} bytes were in the page cache during one {direction}");
    }
    assert!(read == bytes);
}
