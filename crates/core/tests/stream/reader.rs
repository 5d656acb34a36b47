//! Reads a stream by its format alone: not with the code under test.

use pstream_core::Shape;
use pstream_core::format::batch::{BatchHeader, HEADER_LEN, Kind, Records};
use pstream_core::format::block_header::{BlockHeader, Crossing};
use pstream_core::format::file_batch::{FileBatch, PAYLOAD_LEN};
use pstream_core::format::{Decoded, StreamId};
use pstream_core::stream::layout::Layout;
use pstream_sim::SimDisk;

use crate::harness::{DIR, NAME};

/// A batch as it lies in a file.
#[derive(Clone, Debug)]
pub struct Batch {
    pub file: u16,
    /// Offset in the file's data.
    pub at: u64,
    pub header: BatchHeader,
    pub records: Vec<Vec<u8>>,
}

#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// Seq of the first record there is.
    pub start: u64,
    pub batches: Vec<Batch>,
    /// What each file in use says of itself.
    pub files: Vec<FileBatch>,
}

impl Contents {
    pub fn records(&self) -> Vec<Vec<u8>> {
        self.batches.iter().flat_map(|batch| batch.records.clone()).collect()
    }

    pub fn count(&self, kind: Kind) -> usize {
        self.batches.iter().filter(|batch| batch.header.kind == kind).count()
    }
}

/// The data of a file, without the headers of its blocks, and the headers.
pub fn split(bytes: &[u8], layout: Layout, shift: u32) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut data = Vec::new();
    let mut headers = Vec::new();
    for block in bytes.chunks(1 << shift) {
        headers.push(block[..48].to_vec());
        data.extend_from_slice(&block[48..]);
    }
    assert_eq!(data.len() as u64, layout.capacity());
    (data, headers)
}

pub fn index_of(name: &str) -> Option<(u16, u32)> {
    let (index, shift) = name.strip_prefix(&format!("{NAME}."))?.split_once('-')?;
    Some((u16::from_str_radix(index, 16).ok()?, shift.parse().ok()?))
}

/// The names of the files in their order, also where indexes wrap.
pub fn names(disk: &SimDisk) -> Vec<String> {
    let index = |name: &String| index_of(name).map(|(index, _)| index);
    let mut names: Vec<String> = disk.names(DIR).unwrap().into_iter().filter(|name| index(name).is_some()).collect();
    let wrapped = names.iter().filter_map(index).any(|index| index > 0xc000);
    names.sort_by_key(|name| index(name).unwrap_or_default().wrapping_add(if wrapped { 0x8000 } else { 0 }));
    names
}

fn file_batch(data: &[u8], at: u64, index: u16) -> Option<(FileBatch, BatchHeader)> {
    let bytes = data.get(at as usize..)?;
    let payload = bytes.get(HEADER_LEN..HEADER_LEN + PAYLOAD_LEN)?;
    let id = FileBatch::stream_of(payload)?;
    let start = FileBatch::decode(payload, 0)?;
    match BatchHeader::decode(bytes.first_chunk()?, id, start.position + at) {
        Decoded::Valid(header)
            if header.kind == Kind::File && header.payload_checksum == id.checksum(payload) && start.index == index =>
        {
            Some((FileBatch { seq: header.seq, ..start }, header))
        }
        _ => None,
    }
}

fn batch(data: &[u8], id: StreamId, base: u64, at: u64) -> Option<(BatchHeader, Vec<Vec<u8>>)> {
    let bytes = data.get(at as usize..)?;
    let Decoded::Valid(header) = BatchHeader::decode(bytes.first_chunk()?, id, base + at) else { return None };
    let payload = bytes.get(HEADER_LEN..HEADER_LEN + header.payload_len as usize)?;
    if id.checksum(payload) != header.payload_checksum {
        return None;
    }
    let records: Option<Vec<Vec<u8>>> = Records::of(payload).map(|record| record.map(<[u8]>::to_vec)).collect();
    let records = if header.kind == Kind::File { Vec::new() } else { records.expect("a payload of records") };
    assert!(header.kind == Kind::File || records.len() as u32 == header.count, "{header:?}");
    Some((header, records))
}

/// All that is in the stream, as far as it goes on without a break. An error says where it breaks off although there is
/// more, or which block says something wrong of itself.
pub fn read(disk: &SimDisk) -> Result<Contents, String> {
    let mut contents = Contents::default();
    // The end of what was read: position, seq, checksum of the last batch.
    let mut end: Option<(u64, u64, u32)> = None;
    let mut unused = None;
    for name in names(disk) {
        let (index, shift) = index_of(&name).unwrap();
        let bytes = disk.cached_bytes(format!("{DIR}/{name}"), 0..u64::MAX).unwrap();
        let layout = Layout::new(Shape::of_len(bytes.len() as u64, shift).map_err(|error| error.to_string())?);
        let (data, headers) = split(&bytes, layout, shift);
        let copies = [0, layout.second_copy()].map(|at| file_batch(&data, at, index));
        let Some((start, header)) = copies[0].or(copies[1]) else {
            unused = Some(name);
            continue;
        };
        if let Some(unused) = unused {
            return Err(format!("{unused} is not in use, {name} behind it is"));
        }
        let stamp = pstream_core::format::file_batch::Stamp { time_ms: header.time_ms, epoch: header.epoch };
        let [_, second] = start.headers(stamp, layout.second_copy());
        match end {
            Some(end) if end != (start.position, start.seq, start.before) => {
                return Err(format!("{name} begins at {start:?}, but what is in front of it ends at {end:?}"));
            }
            Some(_) => {}
            None => contents.start = start.seq,
        }
        contents.files.push(start);
        let first = Walk { at: layout.first_batch(), seq: start.seq, previous: second.checksum(start.id) };
        let last = walk(&mut contents, &data, layout, &start, first);
        check_block_headers(&contents, &headers, layout, &start, last.at);
        end = Some((start.position + last.at, last.seq, last.previous));
    }
    Ok(contents)
}

struct Walk {
    at: u64,
    seq: u64,
    previous: u32,
}

fn walk(contents: &mut Contents, data: &[u8], layout: Layout, start: &FileBatch, mut walk: Walk) -> Walk {
    loop {
        let own = layout.next_own(walk.at);
        let linked = |(header, _): &(BatchHeader, Vec<Vec<u8>>)| {
            header.seq == walk.seq && header.previous == walk.previous && header.kind != Kind::File
        };
        let read = |at| batch(data, start.id, start.position, at).filter(linked).map(|found| (at, found));
        let Some((at, (header, records))) = read(walk.at).or_else(|| read(own)) else { return walk };
        walk = Walk { at: at + header.total_len(), seq: header.next_seq(), previous: header.checksum(start.id) };
        contents.batches.push(Batch { file: start.index, at, header, records });
    }
}

/// Every block that the stream has reached says where its first batch begins.
fn check_block_headers(contents: &Contents, headers: &[Vec<u8>], layout: Layout, start: &FileBatch, end: u64) {
    let batches: Vec<&Batch> = contents.batches.iter().filter(|batch| batch.file == start.index).collect();
    for block in layout.block_of(layout.first_batch()).0 + 1..headers.len() as u64 {
        let from = layout.start_of(block);
        if from >= end {
            break;
        }
        let Some(over) = batches.iter().find(|batch| batch.at + batch.header.total_len() > from) else { break };
        if over.at >= from + layout.block_data() {
            continue;
        }
        let Decoded::Valid(header) =
            BlockHeader::decode(headers[block as usize].as_slice().try_into().unwrap(), start.id)
        else {
            panic!("block {block} of file {} has no header, though the stream goes on to {end}", start.index);
        };
        let over_end = over.at + over.header.total_len();
        let crossing = if over.at >= from {
            Crossing::None
        } else if over_end >= from + layout.block_data() {
            Crossing::Fills
        } else {
            Crossing::EndsAt((over_end - from) as u32)
        };
        assert_eq!((header.position, header.crossing), (start.position + from, crossing), "block {block}");
        assert_eq!(header.seq, over.header.seq);
    }
}
