// Checks of what is read.

import { bytes, format, log, reader, reading } from './places.mjs'

export const sites = [
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
]
