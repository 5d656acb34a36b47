//! A stream that a writer has made, and what becomes of it when its files are damaged or forged. The input is a program:
//! what is written, how it ends, what is done to the files.

use std::collections::{BTreeMap, BTreeSet};

use pstream_core::Shape;
use pstream_core::format::StreamId;
use pstream_core::format::batch::BatchHeader;
use pstream_core::format::block_header::{BlockHeader, Crossing};
use pstream_core::format::file_batch::{FileBatch, Stamp};
use pstream_core::stream::layout::Layout;
use pstream_core::stream::{Level, Log, LogOptions, PendingKind};
use pstream_sim::{Keep, SimDisk};

use crate::forge;
use crate::input::Input;
use crate::oracle::{DIR, NAME, Read, commit, contents, disk, exercise, open, rest};

/// The records that were ever handed over under a seq.
type Truth = BTreeMap<u64, BTreeSet<Vec<u8>>>;

/// Always the same, so that the same input does the same.
const ID: u64 = 0x0123_4567_89ab_cdef;

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let setup = input.u8();
    let mut options = LogOptions::new(NAME);
    options.block_size = 4096 << (setup & 1);
    let blocks = 5 + u64::from(setup >> 1 & 7);
    options.first_file_size = Some(blocks * options.block_size);
    options.file_size = (blocks << (setup >> 4 & 1)) * options.block_size;
    options.aligned = setup & 0x20 != 0;
    let disk = disk();
    begin(&disk, &options);
    let mut truth = Truth::new();
    let older = write(&disk, &options, &mut input, &mut truth);
    rest(&disk);
    let mut forged = false;
    while !input.is_empty() {
        forged |= damage(&disk, &mut input, &older, options.block_size as usize);
    }
    let is_true = |(seq, _, data): &Read| truth.get(seq).is_some_and(|records| records.contains(data));
    exercise(&disk, &options, if forged { None } else { Some(&is_true) });
}

/// The first file, entered into use under a fixed id.
fn begin(disk: &SimDisk, options: &LogOptions) {
    let id = StreamId::new(ID).unwrap();
    let shift = options.block_size.trailing_zeros();
    let block_count = options.first_file_size.unwrap() >> shift;
    let layout = Layout::new(Shape::new(block_count, shift).unwrap());
    let start = FileBatch { id, index: 1, block_shift: shift, block_count, position: 0, seq: 0, before: 0 };
    let mut bytes = vec![0; options.first_file_size.unwrap() as usize];
    let headers = start.headers(Stamp { time_ms: 1, epoch: 1 }, layout.second_copy());
    for (header, at) in headers.iter().zip([0, layout.second_copy()]) {
        put(&mut bytes, id, layout, header, &start.payload(), at);
    }
    disk.install(format!("{DIR}/{NAME}.0001-{shift}"), &bytes).unwrap();
}

fn put(bytes: &mut [u8], id: StreamId, layout: Layout, header: &BatchHeader, payload: &[u8], at: u64) {
    let offset = layout.file_offset(at) as usize;
    if layout.block_of(at).1 == 0 {
        let (position, seq, time_ms, epoch) = (header.position, header.seq, header.time_ms, header.epoch);
        let block = BlockHeader { position, seq, time_ms, crossing: Crossing::None, epoch };
        bytes[offset - 48..offset].copy_from_slice(&block.encode(id));
    }
    bytes[offset..offset + 64].copy_from_slice(&header.encode(id));
    bytes[offset + 64..offset + 64 + payload.len()].copy_from_slice(payload);
}

/// Runs the writer; gives the files as they were at some moments.
fn write(
    disk: &SimDisk,
    options: &LogOptions,
    input: &mut Input<'_>,
    truth: &mut Truth,
) -> Vec<Vec<(String, Vec<u8>)>> {
    let mut older = Vec::new();
    let (mut log, _) = open(disk, options).expect("a file that has just entered use");
    for number in 0..input.u8() % 12 {
        let (what, len) = (input.u8(), input.u8());
        match what % 8 {
            0..=3 => append(&mut log, (what, len), number, truth),
            4 => log.flush().map(drop).expect("no fault was injected"),
            5 => {
                log.watermark().expect("no fault was injected");
            }
            6 => {
                log.prepare_next().expect("no fault was injected");
                older.push(contents(disk));
            }
            _ => log = reopen(disk, options, log, len),
        }
    }
    match input.u8() % 3 {
        0 => log.close().expect("no fault was injected"),
        1 => {}
        _ => {
            drop(log);
            disk.power_cut(&Keep::Random(u64::from(input.u8())));
        }
    }
    older
}

fn append(log: &mut Log, (what, len): (u8, u8), number: u8, truth: &mut Truth) {
    let kind = if what % 8 == 3 { PendingKind::Together } else { PendingKind::Records };
    let level = if what & 0x10 == 0 { Level::Durable } else { Level::Written };
    let count = 1 + u64::from(what >> 6);
    // Small ones, and such as cross blocks and files.
    let len = usize::from(len) * if what & 0x20 == 0 { 1 } else { 23 };
    let record = |seq: u64| {
        let mut record = format!("{number}.{seq}.").into_bytes();
        record.resize(record.len().max(len), number);
        record
    };
    let next = log.next_seq();
    let records: Vec<Vec<u8>> = (next..next + count).map(record).collect();
    if let Ok(first) = commit(log, kind, &records, level) {
        for (seq, record) in (first..).zip(records) {
            truth.entry(seq).or_default().insert(record);
        }
    }
}

fn reopen(disk: &SimDisk, options: &LogOptions, mut log: Log, how: u8) -> Log {
    if how % 2 == 0 {
        log.close().expect("no fault was injected");
        drop(log);
        rest(disk);
    } else {
        drop(log);
        disk.power_cut(&Keep::Random(u64::from(how)));
    }
    open(disk, options).expect("a crash alone never looks like corruption").0
}

/// Does one thing to one file. Says whether it may make bytes that no writer has written pass for a writer's.
fn damage(disk: &SimDisk, input: &mut Input<'_>, older: &[Vec<(String, Vec<u8>)>], block: usize) -> bool {
    let files = contents(disk);
    let what = input.u8();
    let Some((name, mut bytes)) = files.get(usize::from(what >> 4) % files.len().max(1)).cloned() else {
        input.bytes(usize::MAX);
        return false;
    };
    let path = format!("{DIR}/{name}");
    let len = bytes.len().max(1);
    let at = input.u16() as usize * 8 % len;
    let sector = at / 4096 * 4096..(at / 4096 * 4096 + 4096).min(bytes.len());
    match what & 15 {
        0..=3 if bytes.is_empty() => {}
        0 => bytes[at] ^= 1 << (input.u8() % 8),
        1 => bytes[sector].fill(0),
        2 => bytes[sector].fill(input.u8()),
        3 => {
            let from = input.u16() as usize * block % len;
            let to = at / block * block;
            let copied = bytes[from..(from + block).min(len)].to_vec();
            for (place, byte) in bytes[to..].iter_mut().zip(copied) {
                *place = byte;
            }
        }
        4 => bytes.truncate(at),
        5 => bytes.resize(len + usize::from(input.u8()) * 512, 0),
        6 => {
            disk.io().remove_file(path.as_ref()).unwrap();
            rest(disk);
            return false;
        }
        7 => {
            let other = &files[usize::from(input.u8()) % files.len()].1;
            bytes.clone_from(other);
        }
        8 => {
            let was = older.get(usize::from(input.u8()) % older.len().max(1));
            if let Some((_, was)) = was.and_then(|files| files.iter().find(|(other, _)| *other == name)) {
                bytes.clone_from(was);
            }
        }
        9 => {
            // Under another index.
            let index = [0, 1, 2, 3, 4, 0x4001, 0xffff][usize::from(input.u8() % 7)];
            let shift = 12 + usize::from(input.u8() % 4 == 3);
            disk.install(format!("{DIR}/{NAME}.{index:04x}-{shift}"), &bytes).unwrap();
            return false;
        }
        _ => {
            forge_one(&mut bytes, input);
            disk.install(&path, &bytes).unwrap();
            return true;
        }
    }
    disk.install(&path, &bytes).unwrap();
    false
}

/// Changes a field of one of the headers, or a byte of a payload, and makes the checksums right again.
fn forge_one(bytes: &mut [u8], input: &mut Input<'_>) {
    let places = forge::headers(bytes);
    let Some(at) = places.get(usize::from(input.u8()) % places.len().max(1)).copied() else { return };
    // Fields are multiples of four bytes; what is behind the header is payload.
    let field = at + usize::from(input.u8() % 20) * 4;
    let size = [1, 4, 8][usize::from(input.u8() % 3)];
    let value = input.u64().to_le_bytes();
    if let Some(place) = bytes.get_mut(field..field + size) {
        place.copy_from_slice(&value[..size]);
    }
    if bytes[at..].len() >= 4 {
        forge::seal_at(bytes, at, StreamId::new(ID).unwrap(), input.u8() % 4 != 3);
    }
}
