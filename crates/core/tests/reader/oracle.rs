//! An encoder of the format that shares nothing with the product: written from the tables of `docs/format.md`, byte by
//! byte and slowly.

/// CRC-32C of the stream's id and the bytes, bit by bit from the polynomial.
pub fn checksum(id: u64, bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let (mut value, mut bit) = (byte as u32, 0);
            while bit < 8 {
                value = if value & 1 == 1 { value >> 1 ^ 0x82f6_3b78 } else { value >> 1 };
                bit += 1;
            }
            table[byte] = value;
            byte += 1;
        }
        table
    };
    let all = id.to_le_bytes().into_iter().chain(bytes.iter().copied());
    !all.fold(!0, |crc, byte| crc >> 8 ^ TABLE[((crc ^ u32::from(byte)) & 0xff) as usize])
}

/// Puts the checksum of everything behind offset 8 at offset 4.
pub fn seal_header(id: u64, header: &mut [u8]) {
    let sum = checksum(id, &header[8..]);
    header[4..8].copy_from_slice(&sum.to_le_bytes());
}

pub fn length(mut len: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while len >= 128 {
        out.push((len % 128) as u8 + 128);
        len /= 128;
    }
    out.push(len as u8);
    out
}

pub const TOGETHER: u32 = 1;
pub const FILE: u32 = 2;
pub const SEAL: u32 = 4;
pub const WATERMARK: u32 = 8;

/// Where a batch was put.
#[derive(Clone, Debug)]
pub struct Placed {
    pub at: u64,
    pub len: u64,
    pub padding: u64,
    pub seq: u64,
    pub count: u64,
}

#[derive(Clone)]
pub struct File {
    pub index: u16,
    pub shift: u32,
    pub start: u64,
    pub seq: u64,
    pub bytes: Vec<u8>,
    pub at: u64,
    pub placed: Vec<Placed>,
}

impl File {
    pub fn block(&self) -> u64 {
        1 << self.shift
    }
    pub fn data(&self) -> u64 {
        self.block() - 48
    }
    pub fn capacity(&self) -> u64 {
        self.bytes.len() as u64 / self.block() * self.data()
    }
    pub fn offset(&self, at: u64) -> u64 {
        at / self.data() * self.block() + 48 + at % self.data()
    }
    pub fn own(&self, at: u64) -> u64 {
        (at..at + 4097).find(|at| at % self.data() == 0 || self.offset(*at).is_multiple_of(4096)).unwrap()
    }
    /// The sectors kept for a watermark and for the seal.
    pub fn kept(&self) -> [u64; 2] {
        let blocks = self.bytes.len() as u64 / self.block();
        let mut own: Vec<u64> = ((blocks - 2) * self.data()..self.capacity() - 63)
            .filter(|at| at % self.data() == 0 || self.offset(*at).is_multiple_of(4096))
            .collect();
        let seal = own.pop().unwrap();
        [own.pop().unwrap(), seal]
    }
    /// The batch that covers a byte of the file.
    pub fn batch_at(&self, offset: u64) -> Option<&Placed> {
        self.placed.iter().find(|batch| {
            let covers = |at| self.offset(at) == offset;
            let (first, last) = (self.offset(batch.at), self.offset(batch.at + batch.len - 1));
            (first..=last).contains(&offset) && (offset % self.block() >= 48 || covers(batch.at))
        })
    }
}

/// A stream in the making.
#[derive(Clone)]
pub struct Oracle {
    pub id: u64,
    pub files: Vec<File>,
    pub records: Vec<(u64, Vec<u8>)>,
    pub time: u64,
    pub epoch: u32,
    pub last: u32,
    pub durable: u64,
}

impl Oracle {
    pub fn new(id: u64, first_index: u16, shift: u32, blocks: u64) -> Self {
        let mut oracle =
            Self { id, files: Vec::new(), records: Vec::new(), time: 1_700_000_000_000, epoch: 1, last: 0, durable: 0 };
        oracle.enter(first_index, shift, blocks, 0);
        oracle
    }

    pub fn file(&self) -> &File {
        self.files.last().unwrap()
    }
    pub fn end(&self) -> u64 {
        self.file().start + self.file().at
    }
    pub fn next_seq(&self) -> u64 {
        self.records.len() as u64
    }

    /// The next file enters use.
    pub fn roll(&mut self, shift: u32, blocks: u64) {
        let (index, end) = (self.file().index.wrapping_add(1), self.end());
        self.enter(index, shift, blocks, end);
    }

    fn enter(&mut self, index: u16, shift: u32, blocks: u64, start: u64) {
        let seq = self.next_seq();
        let bytes = vec![0; (blocks << shift) as usize];
        self.files.push(File { index, shift, start, seq, bytes, at: 0, placed: Vec::new() });
        let mut payload = Vec::new();
        payload.extend(self.id.to_le_bytes());
        payload.extend(index.to_le_bytes());
        payload.extend([0; 2]);
        payload.extend(shift.to_le_bytes());
        payload.extend(blocks.to_le_bytes());
        payload.extend(start.to_le_bytes());
        payload.extend(self.last.to_le_bytes());
        payload.extend([0; 4]);
        self.durable = start;
        self.put(FILE, 0, &payload);
        let second = self.file().own(self.file().at);
        self.files.last_mut().unwrap().at = second;
        self.put(FILE, 0, &payload);
        self.durable = self.end();
    }

    /// Puts a batch at the end.
    fn put(&mut self, flags: u32, count: u32, payload: &[u8]) {
        let (id, time, at) = (self.id, self.time, self.file().at);
        let seq = self.next_seq();
        let mut batch = b"PST\x01\0\0\0\0".to_vec();
        batch.extend((self.file().start + at).to_le_bytes());
        batch.extend(seq.to_le_bytes());
        batch.extend(self.durable.to_le_bytes());
        batch.extend(time.to_le_bytes());
        batch.extend(count.to_le_bytes());
        batch.extend((payload.len() as u32).to_le_bytes());
        batch.extend(checksum(id, payload).to_le_bytes());
        batch.extend(self.epoch.to_le_bytes());
        batch.extend(self.last.to_le_bytes());
        batch.extend(flags.to_le_bytes());
        seal_header(id, &mut batch);
        self.last = u32::from_le_bytes(batch[4..8].try_into().unwrap());
        batch.extend(payload);
        let padding = (batch.len().next_multiple_of(8) - batch.len()) as u64;
        batch.resize(batch.len().next_multiple_of(8), 0);
        let (epoch, file) = (self.epoch, self.files.last_mut().unwrap());
        let end = at + batch.len() as u64;
        assert!(end <= file.capacity(), "the oracle's batch does not fit");
        for (byte, at) in batch.iter().zip(at..) {
            if at % file.data() == 0 {
                let rest = end - at;
                let crossing = match rest {
                    _ if at == file.at => 0,
                    rest if rest < file.data() => rest as u32,
                    _ => u32::MAX,
                };
                let mut head = b"PSB\x01\0\0\0\0".to_vec();
                head.extend(id.to_le_bytes());
                head.extend((file.start + at).to_le_bytes());
                head.extend(seq.to_le_bytes());
                head.extend(time.to_le_bytes());
                head.extend(crossing.to_le_bytes());
                head.extend(epoch.to_le_bytes());
                seal_header(id, &mut head);
                let offset = file.offset(at) as usize;
                file.bytes[offset - 48..offset].copy_from_slice(&head);
            }
            let offset = file.offset(at) as usize;
            file.bytes[offset] = *byte;
        }
        file.placed.push(Placed { at, len: end - at, padding, seq, count: u64::from(count) });
        file.at = end;
    }

    /// Whether a batch with these records leaves the two sectors free.
    pub fn fits(&self, records: &[Vec<u8>], aligned: bool) -> bool {
        let payload: usize = records.iter().map(|record| length(record.len()).len() + record.len()).sum();
        let at = if aligned { self.file().own(self.file().at) } else { self.file().at };
        at + (64 + payload as u64).next_multiple_of(8) <= self.file().kept()[0]
    }

    pub fn append(&mut self, flags: u32, records: &[Vec<u8>], aligned: bool) {
        assert!(self.fits(records, aligned), "the oracle's file is full");
        if aligned {
            let own = self.file().own(self.file().at);
            self.files.last_mut().unwrap().at = own;
        }
        let payload: Vec<u8> =
            records.iter().flat_map(|record| [length(record.len()), record.clone()].concat()).collect();
        self.put(flags, records.len() as u32, &payload);
        self.durable = self.end();
        let time = self.time;
        self.records.extend(records.iter().map(|record| (time, record.clone())));
    }

    /// A seal or watermark in a sector of its own, if there is one left for it.
    pub fn mark(&mut self, flags: u32) {
        let at = self.file().own(self.file().at);
        let [watermark, seal] = self.file().kept();
        if at <= if flags == SEAL { seal } else { watermark } {
            self.files.last_mut().unwrap().at = at;
            self.put(flags, 0, &[]);
            self.durable = self.end();
        }
    }

    /// A record that makes its batch end exactly where a block does, `blocks` behind this one.
    pub fn filling(&self, blocks: u64, seed: u64) -> Vec<u8> {
        let file = self.file();
        let left = file.data() - file.at % file.data() + blocks * file.data();
        let room = left.saturating_sub(64) as usize;
        let len = (0..=room).rev().find(|len| length(*len).len() + len <= room).unwrap_or(0);
        pattern(len, seed)
    }
}

/// Bytes that differ for every seed and place.
pub fn pattern(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}
