//! Hostile bytes whose checksums are right: sizes, counts, seqs and positions of all kinds, so that the code behind the
//! checksums is reached. Nothing panics, nothing hangs, and the work stays in proportion to the file.

use proptest::prelude::*;
use pstream_core::stream::read::{ReadOptions, Snapshot, Start};
use pstream_sim::CallKind;

use crate::harness::{Stream, apply, from, ops, sampler, search, verify};
use crate::oracle::{Oracle, checksum, seal_header};

/// Reads everything in every way, and counts the reads.
fn exercise(stream: &Stream, snapshot: &Snapshot) {
    stream.disk.record(true);
    let seqs =
        [0, 1, 2, 5, snapshot.next_seq() / 2, snapshot.next_seq().saturating_sub(1), snapshot.next_seq(), u64::MAX];
    let starts = seqs.into_iter().flat_map(|value| [Start::Seq(value), Start::Time(value)]);
    let mut passes = 0_u64;
    for start in starts.chain([Start::Oldest, Start::End]) {
        for gaps in [false, true] {
            passes += 1;
            let on_gap: Option<pstream_core::stream::read::OnGap> = if gaps { Some(Box::new(|_| ())) } else { None };
            let Ok(mut reader) = snapshot.read(ReadOptions { on_gap, ..from(start) }) else { continue };
            let mut next = 0;
            while let Ok(Some(batch)) = reader.next_batch() {
                assert!(batch.seq >= next && batch.count > 0 && batch.seq + batch.count <= snapshot.next_seq());
                assert_eq!(batch.records().count() as u64, batch.count);
                next = batch.seq + batch.count;
            }
        }
    }
    let mut memory = Vec::new();
    let mut reader = snapshot.read(ReadOptions::default()).ok();
    while let Some(Ok(run)) = reader.as_mut().map(|reader| reader.next_run(&mut memory)) {
        if run.batches.is_empty() {
            break;
        }
        for batch in run.batches {
            assert_eq!(batch.ranges(&memory).count() as u64, batch.count);
        }
    }
    for seq in seqs {
        drop(snapshot.get(seq));
        drop(search(snapshot, |at, _| at < seq));
        passes += 2;
    }
    if let Ok(mut verifier) = snapshot.verify() {
        while verifier.step().unwrap() {}
    }
    let trace = stream.disk.trace();
    let bytes: u64 = trace.iter().filter(|call| call.kind == CallKind::Read).map(|call| call.len).sum();
    let size: u64 = stream.oracle.files.iter().map(|file| file.bytes.len() as u64).sum();
    let bound = (passes + 3) * (8 * size + (1 << 20));
    assert!(bytes < bound, "{bytes} bytes read of {size} in {passes} passes");
    stream.disk.record(false);
}

#[derive(Clone, Debug)]
struct Forgery {
    batch: usize,
    field: usize,
    value: u64,
    payload: bool,
    head: bool,
}

fn forgeries() -> impl Strategy<Value = Vec<Forgery>> {
    let value = prop_oneof![
        3 => 0_u64..10,
        2 => any::<u64>(),
        2 => (0_u64..64).prop_map(|shift| 1 << shift),
        1 => Just(u64::MAX),
        2 => 0_u64..30_000,
    ];
    let one = (any::<usize>(), 0_usize..10, value, any::<bool>(), any::<bool>())
        .prop_map(|(batch, field, value, payload, head)| Forgery { batch, field, value, payload, head });
    proptest::collection::vec(one, 1..10)
}

/// Offset and size of the fields of a batch's header, and of a block's.
const BATCH: [(usize, usize); 10] =
    [(8, 8), (16, 8), (24, 8), (32, 8), (40, 4), (44, 4), (48, 4), (52, 4), (56, 4), (60, 4)];
const BLOCK: [(usize, usize); 6] = [(8, 8), (16, 8), (24, 8), (32, 8), (40, 4), (44, 4)];

fn forge(oracle: &mut Oracle, forgery: &Forgery) {
    let id = oracle.id;
    let number = forgery.batch % oracle.files.len();
    let file = &mut oracle.files[number];
    let value = forgery.value.to_le_bytes();
    if forgery.head {
        let block = forgery.batch as u64 % (file.at / file.data() + 1) * file.block();
        let head = &mut file.bytes[block as usize..][..48];
        let (at, size) = BLOCK[forgery.field % BLOCK.len()];
        head[at..at + size].copy_from_slice(&value[..size]);
        seal_header(id, head);
        return;
    }
    // Batches whose header lies in one block, behind the file batch.
    let placed = file.placed[2..].iter().filter(|batch| batch.at % file.data() + 64 <= file.data());
    let placed: Vec<_> = placed.cloned().collect();
    let Some(batch) = placed.get(forgery.batch % placed.len().max(1)) else { return };
    let (offset, data) = (file.offset(batch.at) as usize, file.data() as usize);
    let (at, size) = BATCH[forgery.field];
    file.bytes[offset + at..offset + at + size].copy_from_slice(&value[..size]);
    if forgery.payload {
        // A right checksum for whatever payload the header claims now.
        let len = u32::from_le_bytes(file.bytes[offset + 44..offset + 48].try_into().unwrap()) as usize;
        let all: Vec<u8> = file.bytes.chunks(1 << file.shift).flat_map(|block| &block[48..]).copied().collect();
        let begin = batch.at as usize + 64;
        if let Some(payload) = begin.checked_add(len).and_then(|end| all.get(begin..end)) {
            assert!(data > 0);
            let sum = checksum(id, payload).to_le_bytes();
            file.bytes[offset + 48..offset + 52].copy_from_slice(&sum);
        }
    }
    seal_header(id, &mut file.bytes[offset..offset + 64]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn forged_fields(forgeries in forgeries()) {
        let mut oracle = sampler(21);
        for forgery in &forgeries {
            forge(&mut oracle, forgery);
        }
        let stream = Stream::of(oracle);
        exercise(&stream, &stream.snapshot());
    }

    #[test]
    fn forged_fields_of_any_stream(shift in 12_u32..=14, ops in ops(), forgeries in forgeries()) {
        let mut oracle = Oracle::new(22, 1, shift, 8);
        for op in &ops {
            apply(&mut oracle, op);
        }
        for forgery in &forgeries {
            forge(&mut oracle, forgery);
        }
        let stream = Stream::of(oracle);
        exercise(&stream, &stream.snapshot());
    }

    /// Arbitrary bytes, with headers of right checksums strewn among them, and ends of all kinds.
    #[test]
    fn arbitrary_bytes(
        bytes in proptest::collection::vec(any::<u8>(), 0..9000),
        headers in proptest::collection::vec((0_u64..2500, 0_u32..20, 0_u32..9000, any::<u8>()), 0..30),
        end in 0_u64..24_000, next_seq in 0_u64..50,
    ) {
        let mut oracle = Oracle::new(23, 1, 12, 6);
        let start = oracle.file().at;
        let file = &mut oracle.files[0];
        for (byte, at) in bytes.iter().zip(start..) {
            let offset = file.offset(at) as usize;
            file.bytes[offset] = *byte;
        }
        for (at, count, len, kind) in headers {
            let at = start + at * 8;
            let offset = file.offset(at) as usize;
            if at % file.data() + 64 > file.data() {
                continue;
            }
            let payload = (0..u64::from(len)).map_while(|byte| {
                let at = at + 64 + byte;
                (at < file.capacity()).then(|| file.bytes[file.offset(at) as usize])
            });
            let sum = checksum(23, &payload.collect::<Vec<u8>>());
            let flags = [0_u32, 1, 2, 4, 8, 3][usize::from(kind) % 6];
            let mut header = b"PST\x01\0\0\0\0".to_vec();
            header.extend(at.to_le_bytes());
            header.extend((u64::from(count) % 7).to_le_bytes());
            header.extend([0; 16]);
            header.extend(count.to_le_bytes());
            header.extend(len.to_le_bytes());
            header.extend(sum.to_le_bytes());
            header.extend([0; 8]);
            header.extend(flags.to_le_bytes());
            seal_header(23, &mut header);
            file.bytes[offset..offset + 64].copy_from_slice(&header);
        }
        let stream = Stream::of(oracle);
        exercise(&stream, &stream.of_slots(stream.slots(), end, next_seq));
    }

    /// A file batch of arbitrary fields, its checksums right.
    #[test]
    fn forged_file_batches(field in 0_usize..7, value: u64, both: bool) {
        let mut oracle = sampler(24);
        let file = &mut oracle.files[1];
        let (at, size) = [(0, 8), (8, 2), (10, 2), (12, 4), (16, 8), (24, 8), (32, 4)][field];
        for copy in [0, file.own(1)].into_iter().take(1 + usize::from(both)) {
            let offset = file.offset(copy) as usize;
            file.bytes[offset + 64 + at..offset + 64 + at + size].copy_from_slice(&value.to_le_bytes()[..size]);
            let id = u64::from_le_bytes(file.bytes[offset + 64..offset + 72].try_into().unwrap());
            let sum = checksum(id, &file.bytes[offset + 64..offset + 104]).to_le_bytes();
            file.bytes[offset + 48..offset + 52].copy_from_slice(&sum);
            let position = file.bytes[offset + 88..offset + 96].try_into().map(u64::from_le_bytes).unwrap();
            file.bytes[offset + 8..offset + 16].copy_from_slice(&position.wrapping_add(copy).to_le_bytes());
            seal_header(id, &mut file.bytes[offset..offset + 64]);
        }
        let stream = Stream::of(oracle);
        exercise(&stream, &stream.snapshot());
    }
}

/// What a block header says must be what the batch says.
#[test]
fn block_headers_are_compared_with_the_batches() {
    let sample = sampler(25);
    for (number, file) in sample.files.iter().enumerate() {
        for block in 0..file.at.div_ceil(file.data()) {
            for (at, size) in BLOCK.into_iter().take(5).filter(|(at, _)| *at != 32) {
                let mut oracle = sample.clone();
                let head = &mut oracle.files[number].bytes[(block * 4096) as usize..][..48];
                head[at..at + size][1] ^= 4;
                seal_header(25, head);
                let report = verify(&Stream::of(oracle).snapshot());
                assert_eq!(report.records, sample.next_seq());
                assert!(!report.ok(), "byte {at} of block {block} of file {number}");
            }
        }
    }
}

/// A file batch stands at the start of a file and nowhere else, and no other kinds are known.
#[test]
fn kinds_out_of_place_are_not_believed() {
    for kind in [crate::oracle::FILE, 3, 16, 1 << 31] {
        let mut oracle = sampler(26);
        oracle.mark(kind);
        let snapshot = Stream::of(oracle).snapshot();
        assert!(!verify(&snapshot).ok(), "{kind}");
    }
}

/// What lies behind the durable end, or reaches over it, is not there yet.
#[test]
fn nothing_is_read_behind_the_end() {
    let stream = Stream::of(sampler(27));
    let last = stream.oracle.files[1].placed.last().unwrap().clone();
    let whole = stream.oracle.end();
    for end in [whole - 8, whole - last.len + 64, whole - last.len + 8] {
        let snapshot = stream.of_slots(stream.slots(), end, last.seq);
        let (records, error) = crate::harness::read(&snapshot, ReadOptions::default());
        assert_eq!((records.len() as u64, error), (last.seq, Some(last.seq..last.seq)));
    }
    let snapshot = stream.of_slots(stream.slots(), whole - last.len, last.seq);
    let (records, error) = crate::harness::read(&snapshot, ReadOptions::default());
    assert_eq!((records.len() as u64, error), (last.seq, None));
}
