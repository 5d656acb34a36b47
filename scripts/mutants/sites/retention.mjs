// What is let go, under rule 12, and what is copied.

import { log, stream } from './places.mjs'

export const sites = [
  {
    what: 'rule 12, sync of the folder at a release',
    in: ['crates/core/src/sequence/release.rs'],
    text: 'self.sync_names(state)?;',
    instead: '',
    tests: log,
    rule: true,
  },
  {
    what: 'trim, past a cursor',
    in: stream,
    text: 'asked.min(kept)',
    instead: 'asked',
    tests: log,
  },
  {
    what: 'retention, past a cursor',
    in: stream,
    text: 'due.min(kept)',
    instead: 'due',
    tests: log,
  },
  {
    what: 'retention, the file in use stays',
    in: stream,
    text: 'max(limited).min(last)',
    instead: 'max(limited)',
    tests: log,
  },
  {
    what: 'limit of a stream',
    in: stream,
    text: 'if alone || used.saturating_add(size) <= limit {',
    instead: 'if alone || size <= limit {',
    tests: log,
  },
  {
    what: 'backup, sync of a copied file',
    in: stream,
    text: 'current.copy.sync()?;',
    instead: '',
    tests: log,
  },
  {
    what: 'backup, check of the copy',
    in: stream,
    text: 'verifier.report().gaps.first()',
    instead: 'verifier.report().gaps.get(1000)',
    tests: log,
  },
]
