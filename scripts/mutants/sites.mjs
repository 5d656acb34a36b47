// What `scripts/mutants.mjs` takes out of the engine: each sync, eviction, checksum and rule, by what it looks like.
//
// `call` is a call with its arguments, `text` the very text, in the files of `in`; `edits` are several texts that go
// together. `instead` stands in its place. `rule` marks what `--campaign` takes, too.

import { sites as blockFiles } from './sites/block-files.mjs'
import { sites as checks } from './sites/checks.mjs'
import { sites as commits } from './sites/commits.mjs'
import { sites as cursors } from './sites/cursors.mjs'
import { sites as recovery } from './sites/recovery.mjs'
import { sites as retention } from './sites/retention.mjs'
import { sites as system } from './sites/system.mjs'

export const kinds = [...blockFiles, ...commits, ...recovery, ...checks, ...retention, ...cursors, ...system]
