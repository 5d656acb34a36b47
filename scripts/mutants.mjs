#!/usr/bin/env node
// Takes every sync out of the engine, one at a time, and demands that a test fails: a test of durability that has not
// been seen failing proves nothing. Sites are found by what they look like, so that a new one cannot be forgotten.
//
//   node scripts/mutants.mjs            all of them
//   node scripts/mutants.mjs rename     those whose file or line holds the text
//   node scripts/mutants.mjs --list     only say which there are
//
// Works on a copy in target/mutants and leaves the sources alone.

import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const copy = join(root, 'target', 'mutants', 'source')
const crash = ['--test', 'crash']
const system = ['--test', 'syscalls', '--test', 'os_io', '--test', 'os_file']
const engine = ['crates/core/src/file', 'crates/core/src/sequence']
const stream = ['crates/core/src/stream']
const log = ['--test', 'stream']
const linux = ['crates/core/src/sys/linux.rs', 'crates/core/src/sys/unix.rs']

const io = 'Ok::<(), std::io::Error>(())'
const own = 'Ok::<(), crate::error::Error>(())'
/** What a sync looks like, and what stands in its place when it is gone. `call` is followed by its arguments. */
const kinds = [
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
  { what: 'sync of a folder', in: stream, call: /\bio\.sync_dir\(folder\)/g, instead: io, tests: log },
  // The rules of the protocol, by their numbers. The first one lies in the order in which files are opened, the eighth
  // and the fourteenth in what is not done at all: their tests say how they were seen failing.
  {
    what: 'rule 2, a cache that stays is taken for the disk',
    in: stream,
    text: 'Ok(file.evict(&(0..file.shape().size()))? == Evicted::Done)',
    instead: 'Ok(file.evict(&(0..file.shape().size()))? != Evicted::Remaining(u64::MAX))',
    tests: log,
  },
  {
    what: 'rule 3, a synced write behind written ones',
    in: stream,
    text: 'Level::Durable if !self.unsynced && ',
    instead: 'Level::Durable if ',
    tests: log,
  },
  {
    what: 'rule 3, more called durable than is',
    in: stream,
    text: 'durable_upto: self.durable.position,',
    instead: 'durable_upto: self.start.position.saturating_add(frame.at()),',
    tests: log,
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
  },
  {
    what: 'rule 4, second copy of the file batch',
    in: stream,
    text: '.zip([0, layout.second_copy()]) {\n        let mut frame = Frame::new',
    instead: '.zip([0]) {\n        let mut frame = Frame::new',
    tests: log,
  },
  {
    what: 'rule 4, missing copy written again',
    in: stream,
    text: 'repair.restore_copies(writer)?;',
    instead: '',
    tests: log,
  },
  {
    what: 'rule 4, prepared files are zeros',
    in: ['crates/core/src/stream/recover.rs'],
    text: ' || !is_merely_prepared(&file)? {',
    instead: ' {',
    tests: log,
  },
  {
    what: 'rule 5, evidence',
    in: stream,
    text: 'self.headers_behind(at).find(|header| header.durable_upto > end)',
    instead: 'self.headers_behind(at).find(|header| header.durable_upto > end.max(u64::MAX))',
    tests: log,
  },
  {
    what: 'rule 6, next sector of its own',
    in: stream,
    text: 'if own > at { self.batch_at(own) } else { None }',
    instead: 'if own > at { None } else { self.batch_at(own) }',
    tests: log,
  },
  {
    what: "rule 6, last one's checksum behind padding",
    in: stream,
    text: 'let linked = before.previous.map_or(!known, |previous| previous == header.previous);',
    instead: 'let linked = !known || before.previous.is_some();',
    tests: log,
  },
  {
    what: 'rule 7, forward from what was durable',
    in: stream,
    text: 'let begin = self.step_back(layout.block_of(durable).0, first, |at, _| at <= durable);',
    instead: 'let begin = found.filter(|_| durable > 0);',
    tests: log,
  },
  {
    what: 'rule 9, recovery after a failed write',
    in: ['crates/core/src/stream/log.rs'],
    text: `options.aligned) {
            self.state = State::Uncertain;`,
    instead: 'options.aligned) {',
    tests: log,
  },
  {
    what: 'rule 10, sectors kept free',
    in: ['crates/core/src/stream/plan.rs'],
    text: 'self.layout.watermark_sector()',
    instead: 'self.layout.capacity()',
    tests: log,
  },
  {
    what: 'rule 10, no watermark behind another',
    in: stream,
    text: 'if said || at > last {',
    instead: 'if (said && at > last) || at > last {',
    tests: log,
  },
  {
    what: 'rule 11, zeros',
    in: stream,
    text: 'writer.file.zero(range)?;',
    instead: '',
    tests: log,
  },
  {
    what: 'rule 11, header of the block at the start of a torn range',
    in: stream,
    text: 'let range = layout.file_range(&(from..layout.capacity()));',
    instead: 'let range = layout.file_offset(from)..layout.file_range(&(from..layout.capacity())).end;',
    tests: log,
  },
  {
    what: 'rule 11, a copy that is in the way',
    in: stream,
    text: 'if error.kind() == ErrorKind::AlreadyExists && number < ATTEMPTS =>',
    instead: 'if error.kind() == ErrorKind::AlreadyExists && number > ATTEMPTS =>',
    tests: log,
  },
  {
    what: 'rule 12, sync of the folder at a release',
    in: ['crates/core/src/sequence/release.rs'],
    text: 'self.sync_names(&mut state)?;',
    instead: '',
    tests: log,
  },
  {
    what: 'rule 13, watermark behind a durable commit behind written ones',
    in: stream,
    text: 'if behind_written {',
    instead: 'if behind_written && first == u64::MAX {',
    tests: log,
  },
  {
    what: 'rule 13, watermark behind a flush',
    in: stream,
    text: '            }\n            self.mark();',
    instead: '            }',
    tests: log,
  },
  {
    what: 'rule 13, watermark behind a recovery',
    in: stream,
    text: 'writer.watermark(repair.io)?;',
    instead: '',
    tests: log,
  },
  {
    what: 'check of a payload',
    in: stream,
    text: 'let whole = self.id.checksum(payload) == header.payload_checksum;',
    instead: 'let whole = self.id.checksum(payload) | 1 == header.payload_checksum | 1 || !payload.is_empty();',
    tests: log,
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

function sourcesOf(places) {
  return places.flatMap((place) =>
    place.endsWith('.rs')
      ? [place]
      : readdirSync(join(root, place))
          .filter((name) => name.endsWith('.rs'))
          .map((name) => `${place}/${name}`),
  )
}

/** The end of the call whose opening parenthesis is at or behind `from`. */
function endOfCall(text, from) {
  let depth = 0
  for (let at = text.indexOf('(', from); at < text.length; at++) {
    if (text[at] === '(') depth++
    if (text[at] === ')' && --depth === 0) return at + 1
  }
  throw new Error('a call without an end')
}

function sitesIn(path, kind) {
  const text = readFileSync(join(root, path), 'utf8')
  const product = text.split('#[cfg(test)]')[0]
  const sites = []
  const add = (start, end) => sites.push({ path, kind, start, end, line: product.slice(0, start).split('\n').length })
  if (kind.text) {
    for (let at = product.indexOf(kind.text); at >= 0; at = product.indexOf(kind.text, at + 1))
      add(at, at + kind.text.length)
    return sites
  }
  for (const match of product.matchAll(kind.call)) {
    const line = product.slice(product.lastIndexOf('\n', match.index) + 1, match.index)
    if (line.trimStart().startsWith('//')) continue
    // The arguments of the call itself, not those of a call in front of it.
    add(match.index, endOfCall(product, match.index + match[0].lastIndexOf('(')))
  }
  return sites
}

const args = process.argv.slice(2)
const filter = args.find((arg) => !arg.startsWith('--'))
const sites = kinds.flatMap((kind) => sourcesOf(kind.in).flatMap((path) => sitesIn(path, kind)))
for (const kind of kinds) {
  if (!sites.some((site) => site.kind === kind)) {
    console.error(`no site for "${kind.what}" (${kind.text ?? kind.call}): has the source changed its looks?`)
    process.exit(2)
  }
}
const chosen = sites.filter((site) => {
  const source = readFileSync(join(root, site.path), 'utf8').split('\n')[site.line - 1]
  return !filter || `${site.path} ${source}`.includes(filter)
})
const label = (site) => `${site.path.replace('crates/core/src/', '')}:${site.line}: no ${site.kind.what}`
if (args.includes('--list')) {
  for (const site of chosen) console.log(label(site))
  process.exit(0)
}

function freshCopy() {
  rmSync(copy, { recursive: true, force: true })
  mkdirSync(copy, { recursive: true })
  const tracked = execFileSync(
    'git',
    [
      'ls-files',
      '--cached',
      '--others',
      '--exclude-standard',
      '-z',
      'Cargo.toml',
      'Cargo.lock',
      'crates',
      'bench/baseline',
    ],
    { cwd: root, encoding: 'utf8' },
  )
  for (const path of tracked.split('\0').filter(Boolean))
    cpSync(join(root, path), join(copy, path), { recursive: true })
}

function test(tests) {
  const env = {
    ...process.env,
    CARGO_TARGET_DIR: join(root, 'target', 'mutants', 'target'),
    RUST_BACKTRACE: '0',
    PSTREAM_MODEL_CASES: '3000',
    CARGO_TERM_COLOR: 'never',
  }
  const run = (extra) =>
    spawnSync('cargo', ['test', '--quiet', '-p', 'pstream-core', ...tests, ...extra], {
      cwd: copy,
      env,
      encoding: 'utf8',
      timeout: 300_000,
      maxBuffer: 1 << 28,
    })
  const built = run(['--no-run'])
  if (built.status !== 0) return { built: false, output: built.stderr }
  const ran = run([])
  const failed = [...`${ran.stdout}`.matchAll(/^ {4}(\S+)$/gm)].map((match) => match[1])
  return { built: true, passed: ran.status === 0, failed: [...new Set(failed)] }
}

console.log(`${chosen.length} mutants`)
freshCopy()
for (const tests of new Set(chosen.map((site) => site.kind.tests))) {
  const result = test(tests)
  if (!result.passed) {
    console.error(
      `the tests (${tests.join(' ')}) do not pass without a mutation either\n${result.output ?? result.failed}`,
    )
    process.exit(2)
  }
}
let survivors = 0
for (const [number, site] of chosen.entries()) {
  const path = join(copy, site.path)
  const text = readFileSync(path, 'utf8')
  writeFileSync(path, text.slice(0, site.start) + site.kind.instead + text.slice(site.end))
  const result = test(site.kind.tests)
  writeFileSync(path, text)
  const caught = result.built && !result.passed
  if (!caught) survivors++
  const verdict = !result.built
    ? 'DOES NOT BUILD'
    : result.passed
      ? 'SURVIVED'
      : `caught by ${result.failed.slice(0, 2).join(', ')}${result.failed.length > 2 ? ` and ${result.failed.length - 2} more` : ''}`
  console.log(`${String(number + 1).padStart(3)} ${label(site)}: ${verdict}`)
  if (!result.built) console.log(result.output)
}
console.log(
  survivors === 0 ? `all ${chosen.length} mutants caught` : `${survivors} of ${chosen.length} mutants not caught`,
)
process.exit(survivors === 0 ? 0 : 1)
