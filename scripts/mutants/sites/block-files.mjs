// Block files and sequences: what makes a file durable, and what is done before it is believed.

import { crash, engine, io, own } from './places.mjs'

export const sites = [
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
]
