// Recovery, salvage and watermarks: the rules 9 to 14 without the twelfth, by their numbers.

import { log, stream } from './places.mjs'

export const sites = [
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
        in: 'crates/core/src/stream/trim.rs',
        text: '        self.sequence.release_named(file.index(), file.path(), next.index())?;',
        instead: `        let mut old = vec![0; super::short(len)];
        let keep = crate::file::CachePolicy::Keep;
        crate::file::BlockFile::open_behind_writer(&*self.io, file.path(), file.block_shift(), keep)?
            .read_at(0, &mut [std::io::IoSliceMut::new(&mut old)])?;
        self.sequence.release_named(file.index(), file.path(), next.index())?;
        super::roll::RECYCLED.set(Some(old));`,
      },
      {
        in: 'crates/core/src/stream/roll.rs',
        text: '        let file = self.sequence.alloc(Some(self.options.blocks_of(size))).map_err(as_limit)?;',
        instead: `        let file = self.sequence.alloc(Some(self.options.blocks_of(size))).map_err(as_limit)?;
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
]
