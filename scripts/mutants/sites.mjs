// What `scripts/mutants.mjs` takes out of the engine: each sync, eviction, checksum and rule, by what it looks like.
//
// `call` is a call with its arguments, `text` the very text, in the files of `in`; `edits` are several texts that go
// together. `instead` stands in its place. `rule` marks what `--campaign` takes, too.

const crash = ['--test', 'crash']
const system = ['--test', 'syscalls', '--test', 'os_io', '--test', 'os_file']
const engine = ['crates/core/src/file', 'crates/core/src/sequence']
const stream = ['crates/core/src/stream']
const format = ['crates/core/src/format']
const reading = ['crates/core/src/stream/read']
const log = ['--test', 'stream']
const reader = ['--test', 'reader']
const bytes = ['--lib', '--test', 'stream']
const linux = ['crates/core/src/sys/linux.rs', 'crates/core/src/sys/unix.rs']

const io = 'Ok::<(), std::io::Error>(())'
const own = 'Ok::<(), crate::error::Error>(())'
export const kinds = [
  { what: 'sync of a file', in: engine, call: /[\w.*&()]*\.sync_(?:data|all)\(/g, instead: io, tests: crash },
  { what: 'sync of a folder', in: engine, call: /(?<!fn )\bsync_root\(/g, instead: own, tests: crash },
  { what: 'sync of a folder', in: engine, call: /(?<![\w.] ?)(?<!fn )\bsync\(io/g, instead: own, tests: crash },
  { what: 'sync of a folder', in: engine, call: /self\.sync_names\(/g, instead: own, tests: crash },
  {
    what: 'sync of notes before they are read',
    in: engine,
    call: /(?<!fn )\bsync_notes\(/g,
    instead: own,
    tests: crash,
  },
  { what: 'sync of a folder', in: ['crates/core/src/file'], call: /\bio\.sync_dir\(/g, instead: io, tests: crash },
  {
    what: 'sync of what an earlier writer left',
    in: engine,
    call: /(?<!fn )\bsync_left_over\(/g,
    instead: own,
    tests: crash,
  },
  {
    what: 'synced write',
    in: engine,
    text: 'write_all(file, buffers, offset, Durability::Synced)',
    instead: 'write_all(file, buffers, offset, Durability::Cached)',
    tests: crash,
  },
  {
    what: 'synced write past the cache',
    in: engine,
    text: 'self.put_piece(file, &piece, Durability::Synced)?;',
    instead: 'self.put_piece(file, &piece, Durability::Cached)?;',
    tests: crash,
  },
  {
    what: 'zeros behind what goes past the cache',
    in: engine,
    text: 'let zeros = [0; DIRECT_ALIGNMENT];',
    instead: 'let zeros = [1; DIRECT_ALIGNMENT];',
    tests: crash,
  },
  {
    what: 'eviction before a file is believed',
    in: engine,
    text: 'drop(file.evict(0..shape.size()));\n        drop(file.advise',
    instead: 'drop(file.advise',
    tests: crash,
  },
  {
    what: 'eviction after a full disk',
    in: engine,
    call: /(?<!fn )\bevict_fully\(file, &/g,
    instead: 'Ok::<Evicted, std::io::Error>(Evicted::Done)',
    tests: crash,
  },
  {
    what: 'poisoning',
    in: engine,
    text: '        self.poison();\n        Error::sync',
    instead: '        Error::sync',
    tests: crash,
  },
  { what: 'poisoning', in: engine, text: 'state.poisoned = synced.is_err();', instead: '', tests: crash },
  { what: 'sync of a file', in: stream, call: /[\w.]*\bfile\.sync\(/g, instead: own, tests: log },
  { what: 'sync of a file', in: stream, call: /\bfile\.sync_all\(/g, instead: io, tests: log },
  { what: 'sync of a folder', in: stream, call: /\bio\.sync_dir\(/g, instead: io, tests: log },
  // The rules of the protocol, by their numbers. The eighth is about readers in other processes, which the
  // campaign has none of. Nor has it the first one: what was not synced cannot be evicted, so that the check of the
  // second one covers for it. The eviction of a file that is full (`roll.rs`) is not among these: nothing relies on it.
  {
    what: 'rule 1, sync of the files in front of the highest',
    edits: [
      {
        in: 'crates/core/src/file/mod.rs',
        text: 'sync_left_over(&*file, &path, options.read_only)?;',
        instead: 'if !NOT_SYNCED.get() { sync_left_over(&*file, &path, options.read_only)?; }',
      },
      {
        in: 'crates/core/src/file/mod.rs',
        text: 'fn sync_left_over(',
        instead:
          'thread_local! { pub(crate) static NOT_SYNCED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) }; }\n\nfn sync_left_over(',
      },
      {
        in: 'crates/core/src/stream/recover.rs',
        text: '    // lock; sync dir; indexes',
        instead: '    crate::file::NOT_SYNCED.set(false);\n    // lock; sync dir; indexes',
      },
      {
        in: 'crates/core/src/stream/recover.rs',
        text: 'let certain = is_evicted(&file)?;',
        instead: 'let certain = is_evicted(&file)?;\n        crate::file::NOT_SYNCED.set(true);',
      },
      {
        in: 'crates/core/src/stream/recover.rs',
        text: 'let current = Current { file, head, certain };',
        instead: 'crate::file::NOT_SYNCED.set(false);\n            let current = Current { file, head, certain };',
      },
    ],
    tests: log,
  },
  {
    what: 'rule 2, a cache that stays is taken for the disk',
    in: stream,
    text: 'Ok(file.evict(&(0..file.shape().size()))? == Evicted::Done)',
    instead: 'Ok(file.evict(&(0..file.shape().size()))? != Evicted::Remaining(u64::MAX))',
    tests: log,
    rule: true,
  },
  {
    what: 'rule 2, writing again',
    in: stream,
    text: 'writer.file.write_at(layout.file_range(&(from..end)).start, &slices, Durability::Cached)?;',
    instead: '',
    tests: log,
    rule: true,
  },
  {
    what: 'rule 2, writing again what is in the sector of the last durable batch',
    in: stream,
    text: 'durable if self.options.aligned && !self.continues_at(durable) =>',
    instead: 'durable if self.options.aligned =>',
    tests: log,
    rule: true,
  },
  {
    what: 'rule 2, zeros where the cache stays',
    in: stream,
    text: 'let needed = !self.certain || ',
    instead: 'let needed = ',
    tests: log,
    rule: true,
  },
  {
    what: 'rule 3, a synced write behind written ones',
    in: stream,
    text: 'Level::Durable if !self.unsynced && ',
    instead: 'Level::Durable if ',
    tests: log,
    rule: true,
  },
  {
    what: 'rule 3, a write past the cache behind written ones',
    in: stream,
    text: '!self.unsynced && len >= direct.from',
    instead: 'len >= direct.from',
    tests: log,
    rule: true,
  },
  {
    what: 'what lies in front of a write past the cache',
    in: stream,
    text: 'stage.put(&edge);',
    instead: 'stage.put(&vec![0; edge.len()]);',
    tests: log,
    rule: true,
  },
  {
    what: 'rule 3, more called durable than is',
    in: stream,
    text: 'durable_upto: self.durable.position,',
    instead: 'durable_upto: self.start.position.saturating_add(frame.at()),',
    tests: log,
    rule: true,
  },
  {
    what: 'rule 3, note of what is not synced',
    in: stream,
    text: '(Level::Written, _) => {\n                self.unsynced = true;',
    instead: '(Level::Written, _) => {',
    tests: log,
    rule: true,
  },
  {
    what: 'rule 4, sync of what lies in front of a new file',
    in: stream,
    text: `        if self.unsynced {
            self.sync()?;
        }
        let start = self.next_start`,
    instead: '        let start = self.next_start',
    tests: log,
    rule: true,
  },
  {
    what: 'rule 4, second copy of the file batch',
    in: stream,
    text: '.zip([0, layout.second_copy()]) {\n        let mut frame = Frame::new',
    instead: '.zip([0]) {\n        let mut frame = Frame::new',
    tests: log,
    rule: true,
  },
  {
    what: 'rule 4, missing copy written again',
    in: stream,
    text: 'repair.restore_copies(writer)?;',
    instead: '',
    tests: log,
    rule: true,
  },
  {
    what: 'rule 4, prepared files are zeros',
    in: ['crates/core/src/stream/recover.rs'],
    text: ' || !is_merely_prepared(&file)? {',
    instead: ' {',
    tests: log,
    rule: true,
  },
  {
    what: 'rule 4, a file of another index',
    in: ['crates/core/src/stream/head.rs'],
    text: 'start.index != index)',
    instead: 'start.index != index && index == u16::MAX)',
    tests: log,
  },
  {
    what: 'rule 4, copies of two streams',
    in: ['crates/core/src/stream/head.rs'],
    text: 'one.id != other.id)',
    instead: 'one.id != other.id && one.index != other.index)',
    tests: log,
  },
  {
    what: 'length of the last file',
    in: ['crates/core/src/stream/recover.rs'],
    text: 'if (start.block_shift, start.block_count) != (shape.block_shift(), shape.block_count()) {',
    instead: 'if start.block_shift != shape.block_shift() {',
    tests: log,
  },
  {
    what: 'rule 5, evidence',
    in: stream,
    text: 'self.headers_behind(at).find(|header| header.durable_upto > end)',
    instead: 'self.headers_behind(at).find(|header| header.durable_upto > end.max(u64::MAX))',
    tests: log,
    rule: true,
  },
  {
    what: 'rule 6, next sector of its own',
    in: stream,
    text: 'if own > at { self.batch_at(own) } else { None }',
    instead: 'if own > at { None } else { self.batch_at(own) }',
    tests: log,
    rule: true,
  },
  {
    what: "rule 6, last one's checksum behind padding",
    in: stream,
    text: 'let linked = before.previous.map_or(!known, |previous| previous == header.previous);',
    instead: 'let linked = !known || before.previous.is_some();',
    tests: log,
    rule: true,
  },
  {
    what: 'rule 7, forward from what was durable',
    in: stream,
    text: 'let begin = self.step_back(layout.block_of(durable).0, first, |at, _| at <= durable);',
    instead: 'let begin = found.filter(|_| durable > 0);',
    tests: log,
    rule: true,
  },
  {
    what: 'rule 8, the mark is behind the sync',
    in: ['crates/core/src/stream/active.rs'],
    text: 'self.marker.note(io, self.writer.file.index(), self.writer.durable);',
    instead: 'let end = self.writer.end();\n        self.marker.note(io, self.writer.file.index(), end);',
    tests: log,
  },
  {
    what: 'rule 8, a mark is of this boot',
    in: ['crates/core/src/stream/mark.rs'],
    text: 'Some(mark).filter(|mark| mark.boot == boot)',
    instead: 'Some(mark).filter(|_| boot == boot)',
    tests: log,
  },
  {
    what: 'rule 8, a mark is of this stream',
    in: ['crates/core/src/stream/follow_files.rs'],
    text: 'note.id == start.id && note.seq >= start.seq',
    instead: 'note.seq >= start.seq',
    tests: log,
  },
  {
    what: 'rule 8, a mark is of this file',
    in: ['crates/core/src/stream/follow_files.rs'],
    text: 'note.index == self.index && at',
    instead: 'at',
    tests: log,
  },
  {
    what: 'rule 8, the mark is written anew by each open',
    in: ['crates/core/src/stream/log.rs'],
    text: 'that was here before.\n        self.note();',
    instead: 'that was here before.',
    tests: log,
  },
  {
    what: 'rule 8, what is shown is behind what batches call durable',
    in: ['crates/core/src/stream/read/forward.rs'],
    text: 'mark.position <= found.header.durable_upto',
    instead: 'mark.position <= found.header.position.max(found.header.durable_upto)',
    tests: log,
  },
  {
    what: 'rule 8, a file counts when something in it does',
    in: ['crates/core/src/stream/follow_files.rs'],
    text: 'end.position >= first.position || number == 0',
    instead: 'end.position >= start.position || number == 0',
    tests: log,
  },
  {
    what: 'rule 8, what looks damaged is read again',
    in: ['crates/core/src/stream/read/chain.rs'],
    text: 'self.part.segment.evict();',
    instead: '',
    tests: log,
  },
  {
    what: 'rule 9, recovery after a failed write',
    in: ['crates/core/src/stream/log.rs'],
    text: `level, &self.options) {
            self.state = State::Uncertain;`,
    instead: 'level, &self.options) {',
    tests: log,
    rule: true,
  },
  {
    what: 'rule 10, sectors kept free',
    in: ['crates/core/src/stream/plan.rs'],
    text: 'self.layout.watermark_sector()',
    instead: 'self.layout.capacity()',
    tests: log,
    rule: true,
  },
  {
    what: 'rule 10, no watermark behind another',
    in: stream,
    text: 'if said || at > last {',
    instead: 'if (said && at > last) || at > last {',
    tests: log,
    rule: true,
  },
  {
    what: 'rule 11, zeros',
    in: stream,
    text: 'writer.file.zero(range)?;',
    instead: '',
    tests: log,
    rule: true,
  },
  {
    what: 'rule 11, header of the block at the start of a torn range',
    in: stream,
    text: 'let range = layout.file_range(&(from..layout.capacity()));',
    instead: 'let range = layout.file_offset(from)..layout.file_range(&(from..layout.capacity())).end;',
    tests: log,
    rule: true,
  },
  {
    what: 'rule 11, a copy that is in the way',
    in: stream,
    text: 'if error.kind() == ErrorKind::AlreadyExists && number < ATTEMPTS =>',
    instead: 'if error.kind() == ErrorKind::AlreadyExists && number > ATTEMPTS =>',
    tests: log,
    rule: true,
  },
  {
    what: 'salvage, a file that holds something is left alone',
    in: ['crates/core/src/stream/salvage.rs'],
    text: 'is_zero_behind(&file, 0)?',
    instead: 'is_zero_behind(&file, 8192)?',
    tests: log,
  },
  {
    what: 'salvage, what a file of an impossible length proves',
    in: ['crates/core/src/stream/salvage.rs'],
    text: 'found.prove(cut.map_or(Ok(None), |slot| prove_cut(&**io, slot.path(), slot.block_shift()))?);',
    instead: 'drop(cut.map_or(Ok(None), |slot| prove_cut(&**io, slot.path(), slot.block_shift())));',
    tests: log,
  },
  {
    what: 'rule 12, sync of the folder at a release',
    in: ['crates/core/src/sequence/release.rs'],
    text: 'self.sync_names(&mut state)?;',
    instead: '',
    tests: log,
    rule: true,
  },
  {
    what: 'rule 13, watermark behind a durable commit behind written ones',
    in: stream,
    text: 'if behind_written {',
    instead: 'if behind_written && first == u64::MAX {',
    tests: log,
    rule: true,
  },
  {
    what: 'rule 13, watermark behind a flush',
    in: stream,
    text: '            self.note();\n            self.mark();',
    instead: '            self.note();',
    tests: log,
    rule: true,
  },
  {
    what: 'rule 13, watermark behind a recovery',
    in: stream,
    text: 'writer.watermark(repair.io)?;',
    instead: '',
    tests: log,
    rule: true,
  },
  {
    what: 'rule 13, sync in front of a watermark',
    in: ['crates/core/src/stream/own.rs'],
    text: 'if self.unsynced {\n            self.sync()?;\n        }\n        let at =',
    instead: 'let at =',
    tests: log,
    rule: true,
  },
  {
    what: 'rule 14, a file begins as zeros',
    edits: [
      {
        in: 'crates/core/src/stream/active.rs',
        text: '        self.sequence.release(&first)?;',
        instead: `        let mut old = vec![0; super::short(first.shape().size())];
        first.read_at(0, &mut [std::io::IoSliceMut::new(&mut old)])?;
        self.sequence.release(&first)?;
        roll::RECYCLED.set(Some(old));`,
      },
      {
        in: 'crates/core/src/stream/roll.rs',
        text: '        let file = self.sequence.alloc(Some(self.options.blocks_of(self.size(need)?)))?;',
        instead: `        let file = self.sequence.alloc(Some(self.options.blocks_of(self.size(need)?)))?;
        if let Some(old) = RECYCLED.take().filter(|old| super::long(old.len()) == file.shape().size()) {
            for (number, piece) in old.chunks(1 << 16).enumerate() {
                file.write_at(super::long(number) << 16, &[std::io::IoSlice::new(piece)], Durability::Cached)?;
            }
            file.sync()?;
        }`,
      },
      {
        in: 'crates/core/src/stream/roll.rs',
        text: '/// The files that were made ahead of time',
        instead:
          'thread_local! { pub(super) static RECYCLED: std::cell::Cell<Option<Vec<u8>>> = const { std::cell::Cell::new(None) }; }\n\n/// The files that were made ahead of time',
      },
    ],
    tests: log,
    rule: true,
  },
  {
    what: 'check of a payload',
    in: ['crates/core/src/stream/tail.rs'],
    text: 'let whole = self.id.checksum(payload) == header.payload_checksum;',
    instead: 'let whole = self.id.checksum(payload) | 1 == header.payload_checksum | 1 || !payload.is_empty();',
    tests: log,
  },
  {
    what: 'check of the header of a batch',
    in: format,
    text: 'if position != expected || checksum != id.checksum(bytes.get(8..)?) {',
    instead: 'if position != expected || checksum == 0 {',
    tests: bytes,
  },
  {
    what: 'check of the position of a batch',
    in: format,
    text: 'if position != expected || checksum != id.checksum(bytes.get(8..)?) {',
    instead: 'if position == u64::MAX && expected == 0 || checksum != id.checksum(bytes.get(8..)?) {',
    tests: bytes,
  },
  {
    what: 'check of the header of a block',
    in: format,
    text: 'if stream != id.get() || checksum != id.checksum(bytes.get(8..)?) {',
    instead: 'if stream != id.get() || checksum == 0 {',
    tests: bytes,
  },
  // Not the position of a block (`tail.rs`): a header in a wrong place leads to no batch, since a batch is checked for its
  // own, and the search steps back from there. Nor its seq: the checksum that the next one names covers it.
  {
    what: 'check of what a batch names as the one before it',
    in: ['crates/core/src/stream/tail.rs'],
    text: '|previous| previous == header.previous)',
    instead: '|_| true)',
    tests: log,
  },
  {
    what: 'check of the payload of a file batch',
    in: ['crates/core/src/stream/head.rs'],
    text: '(found.kind == Kind::File && found == expected)',
    instead: '(found.kind == Kind::File && found.position == expected.position)',
    tests: log,
  },
  {
    what: 'check of a payload by a reader',
    in: reading,
    text: 'if self.part.segment.id().checksum(payload) != header.payload_checksum {',
    instead: 'if self.part.segment.id().checksum(payload) != header.payload_checksum && payload.is_empty() {',
    tests: reader,
  },
  { what: 'flag for a synced write', in: linux, text: 'libc::RWF_DSYNC', instead: '0', tests: system },
  {
    what: 'fdatasync',
    in: linux,
    text: 'check(unsafe { libc::fdatasync(file.as_raw_fd()) })',
    instead: 'Ok(())',
    tests: system,
  },
  {
    what: 'fsync of a file',
    in: linux,
    text: '-> Result<()> {\n    plain_sync(file)',
    instead: '-> Result<()> {\n    Ok(())',
    tests: system,
  },
  { what: 'fsync of a folder', in: linux, text: 'plain_sync(&open_dir(path)?)', instead: 'Ok(())', tests: system },
  { what: 'flag against replacing', in: linux, text: 'libc::RENAME_NOREPLACE', instead: '0', tests: system },
  { what: 'reservation', in: linux, text: 'fallocate(file, 0, &(0..len))', instead: 'Ok(())', tests: system },
]
