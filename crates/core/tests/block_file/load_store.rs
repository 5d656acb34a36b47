//! What is stored is what is loaded, whatever the shape of the file and of the buffers.

use std::io::{IoSlice, IoSliceMut};

use pstream_core::{BlockFile, Shape};

use crate::common::{create, folder, open, pattern};

/// Cuts bytes into pairs of a head of `head` bytes and a body, one pair a block; the last pair may be shorter.
fn pairs(bytes: &[u8], block: usize, head: usize) -> Vec<IoSlice<'_>> {
    let cut = |chunk: &'_ [u8]| chunk.len().min(head);
    bytes
        .chunks(block)
        .flat_map(|chunk| [IoSlice::new(&chunk[..cut(chunk)]), IoSlice::new(&chunk[cut(chunk)..])])
        .collect()
}

fn pairs_mut(bytes: &mut [u8], block: usize, head: usize) -> Vec<IoSliceMut<'_>> {
    let mut buffers = Vec::new();
    for chunk in bytes.chunks_mut(block) {
        let (left, right) = chunk.split_at_mut(chunk.len().min(head));
        buffers.push(IoSliceMut::new(left));
        buffers.push(IoSliceMut::new(right));
    }
    buffers
}

/// Stores in pairs, loads in pairs and in one run, and looks at the bytes around.
#[track_caller]
fn round_trip(file: &BlockFile, block: u64, len: usize, head: usize, seed: u64) {
    let size = file.shape().block_size() as usize;
    let bytes = pattern(len, seed);
    file.store(block, &pairs(&bytes, size, head)).unwrap();
    let mut read = vec![0; len];
    file.load(block, &mut pairs_mut(&mut read, size, head)).unwrap();
    assert!(read == bytes, "{len} bytes in pairs");
    read.fill(0);
    file.load_bytes(block, &mut read).unwrap();
    assert!(read == bytes, "{len} bytes in one run");
}

#[test]
fn every_shift_keeps_its_bytes_in_their_blocks() {
    let folder = folder();
    for shift in 12..=20 {
        let file = create(&folder.path().join(format!("{shift}")), 6, shift);
        let size = 1_usize << shift;
        let mut model = vec![0; 6 * size];
        for (seed, (block, len)) in
            [(0, size), (5, size), (1, 2 * size), (3, 1), (2, size + 1), (4, 2 * size), (0, 6 * size), (5, size - 1)]
                .into_iter()
                .enumerate()
        {
            let seed = seed as u64 + 1;
            round_trip(&file, block, len, 48, seed);
            let at = block as usize * size;
            model[at..at + len].copy_from_slice(&pattern(len, seed));
        }
        let mut whole = vec![0; 6 * size];
        file.load_bytes(0, &mut whole).unwrap();
        assert!(whole == model, "shift {shift}");
        file.close();
        open(file.path(), shift).load_bytes(0, &mut whole).unwrap();
        assert!(whole == model, "shift {shift}, opened anew");
    }
}

#[test]
fn heads_of_every_size_gather_and_scatter() {
    let folder = folder();
    let file = create(&folder.path().join("data"), 8, 12);
    for (seed, head) in [0, 1, 48, 2048, 4095, 4096].into_iter().enumerate() {
        for len in [1, 47, 48, 49, 4095, 4096, 4097, 8 * 4096 - 1, 8 * 4096] {
            round_trip(&file, 0, len, head, seed as u64);
        }
    }
}

/// A load need not be cut like the store: it fills what it is given, across blocks.
#[test]
fn a_load_takes_any_buffers() {
    let folder = folder();
    let file = create(&folder.path().join("data"), 8, 12);
    let bytes = pattern(8 * 4096, 5);
    file.store_bytes(0, &bytes).unwrap();
    let (mut one, mut none, mut two, mut rest) = (vec![0; 1], vec![], vec![0; 4097], vec![0; 5000]);
    let mut buffers = [&mut one, &mut none, &mut two, &mut rest].map(|buffer: &mut Vec<u8>| IoSliceMut::new(buffer));
    file.load(1, &mut buffers).unwrap();
    let read = [one, two, rest].concat();
    assert_eq!(read, bytes[4096..4096 + read.len()]);
}

#[test]
fn more_buffers_than_one_call_takes() {
    let folder = folder();
    // 3000 pairs are 6000 buffers; a call takes 1024.
    let file = create(&folder.path().join("data"), 3000, 12);
    round_trip(&file, 0, 3000 * 4096, 48, 7);
    round_trip(&file, 1, 2999 * 4096 - 100, 4000, 8);
    let bytes = pattern(5000, 9);
    file.store_bytes(0, &bytes).unwrap();
    let mut read = vec![[0_u8; 1]; 5000];
    let mut buffers: Vec<IoSliceMut<'_>> = read.iter_mut().map(|byte| IoSliceMut::new(byte)).collect();
    file.load(0, &mut buffers).unwrap();
    assert_eq!(read.concat(), bytes);
}

/// Thousands of empty buffers in front of the bytes must not be taken for the end of the file, or of the bytes.
#[test]
fn empty_buffers_between_full_ones() {
    let folder = folder();
    let file = create(&folder.path().join("data"), 4, 12);
    let bytes = pattern(4096, 11);
    file.store(0, &[IoSlice::new(&[]), IoSlice::new(&bytes), IoSlice::new(&bytes), IoSlice::new(&[])]).unwrap();
    let mut read = vec![0; 8192];
    let (left, right) = read.split_at_mut(4096);
    let mut buffers: Vec<IoSliceMut<'_>> = (0..3000).map(|_| IoSliceMut::new(&mut [])).collect();
    buffers.push(IoSliceMut::new(left));
    buffers.extend((0..3000).map(|_| IoSliceMut::new(&mut [])));
    buffers.push(IoSliceMut::new(right));
    buffers.extend((0..3000).map(|_| IoSliceMut::new(&mut [])));
    file.load(0, &mut buffers).unwrap();
    assert_eq!(read, [bytes.clone(), bytes].concat());
}

/// At, below and above what one write takes: 2 MiB with blocks of 2^12, 4 MiB with 2^13, else 8 MiB, and one block where
/// a block is larger.
#[test]
fn stores_around_the_size_of_a_chunk() {
    let folder = folder();
    for (shift, chunk) in [(12, 1_usize << 21), (13, 1 << 22), (16, 1 << 23)] {
        let count = (chunk >> shift) as u64 * 3 + 1;
        let file = create(&folder.path().join(format!("{shift}")), count, shift);
        for len in [chunk - 1, chunk, chunk + 1, 2 * chunk, 2 * chunk + 4097, 3 * chunk + 1] {
            round_trip(&file, 0, len, 48, len as u64);
        }
        round_trip(&file, 1, 3 * chunk, 48, 99);
        let bytes = pattern(3 * chunk + 5, 100);
        file.store_bytes(0, &bytes).unwrap();
        let mut read = vec![0; bytes.len()];
        file.load_bytes(0, &mut read).unwrap();
        assert!(read == bytes, "one run, shift {shift}");
        std::fs::remove_file(file.path()).unwrap();
    }
}

#[test]
fn blocks_larger_than_a_chunk() {
    let folder = folder();
    let file = create(&folder.path().join("data"), 3, 24);
    round_trip(&file, 0, 1 << 24, 48, 1);
    round_trip(&file, 1, (1 << 24) + 1, 48, 2);
    round_trip(&file, 0, 3 << 24, 0, 3);
}

/// The same store again, and again after one that reached further, gives the same bytes.
#[test]
fn a_store_can_be_made_again() {
    let folder = folder();
    let file = create(&folder.path().join("data"), 8, 12);
    let bytes = pattern(3 * 4096 + 100, 1);
    for _ in 0..3 {
        file.store(2, &pairs(&bytes, 4096, 48)).unwrap();
    }
    let mut read = vec![0; bytes.len()];
    file.load_bytes(2, &mut read).unwrap();
    assert_eq!(read, bytes);
}

/// What is in front of and behind a partial pair stays as it is.
#[test]
fn a_partial_last_pair_leaves_the_rest_of_its_block() {
    let folder = folder();
    let file = create(&folder.path().join("data"), 4, 12);
    file.store_bytes(0, &[7; 4 * 4096]).unwrap();
    file.store(1, &[IoSlice::new(b"head"), IoSlice::new(b"body")]).unwrap();
    let mut read = vec![0; 4 * 4096];
    file.load_bytes(0, &mut read).unwrap();
    assert_eq!(&read[4096..4104], b"headbody");
    read[4096..4104].fill(7);
    assert!(read.iter().all(|byte| *byte == 7));
}

/// 16 threads, each with a block of its own: stores are done one after the other, loads at any time, and nobody sees
/// another's bytes.
#[test]
fn threads_share_a_file() {
    let folder = folder();
    let file = create(&folder.path().join("data"), 32, 13);
    std::thread::scope(|scope| {
        for thread in 0..16_u64 {
            let file = &file;
            scope.spawn(move || {
                let mut read = vec![0; 2 << 13];
                for round in 0..25 {
                    let bytes = pattern(2 << 13, thread * 1000 + round);
                    file.store(thread * 2, &pairs(&bytes, 1 << 13, 48)).unwrap();
                    file.load_bytes(thread * 2, &mut read).unwrap();
                    assert!(read == bytes, "thread {thread}, round {round}");
                }
            });
        }
    });
}

#[test]
fn the_largest_shape_there_can_be_is_addressed_without_overflow() {
    let shape = Shape::new(Shape::MAX_SIZE >> 28, 28).unwrap();
    assert!(shape.size() <= Shape::MAX_SIZE);
}
