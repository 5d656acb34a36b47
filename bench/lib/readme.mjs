// The figures in the README, from the results of a full run. What stands between its two marks is written here alone.

const BEGIN = '<!-- figures: written by npm run bench -->\n'
const END = '\n<!-- /figures -->'

/** `text`, the README, with the figures of `report` in it. */
export function withFigures(text, report) {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)]
  if (begin < 0 || end < begin) throw new Error('the README has lost the marks around its figures')
  return text.slice(0, begin + BEGIN.length) + figures(report) + text.slice(end)
}

const number = (value) => value.toLocaleString('en', { maximumFractionDigits: 0 })
const thousands = (value) => number(Math.round(value / 1000) * 1000)
const rate = (row) => thousands(row.perSecond)
const megabytes = (row) => number(row.megabytesPerSecond)
const microseconds = (row) => number(row.microseconds.median)
const milliseconds = (row) => (row.microseconds.median / 1000).toFixed(1)

function figures(report) {
  const found = (name) => report.cases.find((each) => each.case === name) ?? missing(name)
  const row = (name, who) =>
    found(name).results.find(({ contender }) => contender === who) ?? missing(`${name}: ${who}`)
  const figure = (name, which) =>
    found(name).results.find((each) => each.figure === which) ?? missing(`${name}: ${which}`)
  return [
    '',
    ...streams(row),
    ...consumers(figure),
    ...blockFiles(report),
    ...missed(report),
    machine(report),
    '',
  ].join('\n')
}

function missing(what) {
  throw new Error(`the results have no ${what}, which the README tells`)
}

const PEERS = ['better-sqlite3', 'classic-level', 'lmdb', 'node:fs']

function streams(row) {
  const line = (title, name, cell, { who = 'ts', limit = 'plain', peers = PEERS } = {}) => {
    const others = PEERS.map((peer) => (peers.includes(peer) ? cell(row(name, peer)) : ''))
    return `| ${[title, cell(row(name, who)), limit && cell(row(name, limit)), ...others].join(' | ')} |`
  }
  const open = row('open-100GB', 'ts')
  return [
    '### Streams',
    '',
    '| | pstream | bare system calls | better-sqlite3 | classic-level | lmdb | node:fs\\* |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: |',
    line('append 256 bytes, awaited one by one, us', 'append-1', microseconds),
    line('1,000 in flight, a promise each, records/s', 'append-1000', rate),
    line('`appendMany` of 1,000, 4 calls in flight, records/s', 'append-many', rate, { peers: [] }),
    line('1 MiB, 8 in flight, MB/s', 'append-1MiB', megabytes, { limit: 'plain-direct' }),
    line('scan 256 bytes, cold and checked, by `readBatches`, records/s', 'scan-cold', rate),
    line('the same by `read`, records/s', 'scan-cold', rate, { who: 'ts-read', limit: '', peers: [] }),
    line('scan 1 MiB, cold and checked, by `readBatches`, MB/s', 'scan-1MiB', megabytes),
    line('the same by `read`, MB/s', 'scan-1MiB', megabytes, { who: 'ts-read', limit: '', peers: [] }),
    '',
    '\\* No framing and no checksums: nothing tells a torn record from a whole one. better-sqlite3, ' +
      "lmdb's transactions and node:fs take 1,000 at once where 1,000 are in flight; better-sqlite3 blocks the thread " +
      'that calls it. The bare calls for 1 MiB go past the page cache with `O_DIRECT`, as pstream does; through the ' +
      `cache they reach ${megabytes(row('append-1MiB', 'plain'))} MB/s.`,
    '',
    `A stream of 100 GB is opened in ${milliseconds(open)} ms (${open.moreMs.toFixed(1)} more than an empty one), ` +
      `one of 16,383 files in ${milliseconds(row('open-16383', 'ts'))} ms. 64 callers append ` +
      `${number(row('append-64', 'ts').speedup.median)} times as much as one.`,
    '',
  ]
}

function consumers(figure) {
  const value = (name, which) => figure(name, which).value.median
  const both = (name, prefix, digits) =>
    ['p50', 'p99'].map((which) => value(name, `${prefix}${which}`).toFixed(digits)).join(' and ')
  return [
    '| consumers | |',
    '| --- | ---: |',
    ...[
      ['live-latency', 'from the acknowledgement to a live reader', 'the same with 64 appends in flight'],
      ['live-latency-process', 'to a live reader in another process', 'the same with 64 in flight'],
    ].flatMap(([name, one, many]) => [
      `| ${one}, one append at a time, p50 and p99 | ${both(name, 'one append at a time: ', 2)} ms |`,
      `| ${many} | ${both(name, '64 in flight: ', 2)} ms |`,
    ]),
    '| wake-ups of a live reader in another process while nothing is appended | ' +
      `${number(value('live-idle', 'with a live reader: wake-ups'))} a second |`,
    '| what a live reader keeps up with beside the writer, `appendMany` | ' +
      `${thousands(value('live-throughput', 'appendMany: read'))} records/s |`,
    '| the same, 1,000 in flight, a promise each | ' +
      `${thousands(value('live-throughput', '1,000 in flight: read'))} records/s |`,
    '| 1,000 live readers that wait, memory each; reads from disk for one commit, for all of them | ' +
      `${value('live-1000', 'memory each').toFixed(1)} KiB; ${number(value('live-1000', 'reads from disk a commit'))} |`,
    `| a cursor that is told of ${thousands(value('cursor-commit', 'calls'))} records a second: synced writes | ` +
      `${number(value('cursor-commit', 'synced writes'))} a second |`,
    '| one commit of it, p50 and p99, in the time that a synced write takes | ' +
      `${both('cursor-commit', 'an awaited one, ', 1)} |`,
    '| a bare `fs.write` of as much with `O_DSYNC`, each millisecond, p50 and p99, in the same | ' +
      `${both('cursor-commit', 'fs.write each millisecond, ', 1)} |`,
    '| a commit in the first seconds of a process, while V8 compiles, p99 | ' +
      `${value('cursor-commit', 'in the first seconds of a process, p99').toFixed(1)} |`,
    '| how much longer an append takes while 1,000 files are released, p99 | ' +
      `${value('trim-1000', '1,000 files of 1 MiB: more').toFixed(2)} ms |`,
    '',
  ]
}

function blockFiles(report) {
  const rows = report.cases
    .filter(({ kind }) => kind === undefined)
    .map(({ title, results }) => {
      const of = (who) => results.find(({ contender }) => contender === who)
      const ratio = (who) =>
        of(who) === undefined ? '' : of(who).ratio.median.toFixed(2) + (of(who).mark ? '\\*' : '')
      return `| ${[title, megabytes(of('plain')), ratio('rust'), ratio('ts'), ratio('crate')].join(' | ')} |`
    })
  return [
    '### Block files',
    '',
    'Beside the same system calls made from plain Rust, and beside the Rust crate, in the same run; each store durable ' +
      'when it returns, each load from a cold cache. The ratios are speeds by that of the plain calls. Through ' +
      'TypeScript every byte is copied once, and a call costs some 30 us of thread hand-over, which shows most where ' +
      'the disk is fastest.',
    '',
    '| | plain calls, MB/s | engine | package | crate `pstream` |',
    '| --- | ---: | ---: | ---: | ---: |',
    ...rows,
    '',
    '![Speed as a share of bare system calls](bench/results/latest.svg)',
    '',
    '\\* Not durable: above 8 MiB the crate does not sync its data.',
    '',
  ]
}

/** What the package aims at and did not reach. */
function missed(report) {
  const all = report.cases.flatMap(({ title, results }) =>
    results
      .filter(({ contender = 'ts' }) => contender.startsWith('ts'))
      .flatMap((row) => aims(row).map((text) => `- ${title}${called(row)}: ${text}`)),
  )
  return all.length === 0 ? [] : ['What this run missed of what the package aims at:', '', ...all, '']
}

function aims({ checks = [], met, target }) {
  const own = met === false ? [`≥ ${target.toFixed(2)} of the limit`] : []
  return [...checks.filter((check) => !check.met).map(({ text }) => text), ...own]
}

function called({ contender, figure }) {
  if (figure !== undefined) return `, ${figure}`
  return contender === 'ts-read' ? ', by `read`' : ''
}

const machine = ({ machine: { system, architecture, cores, memoryGiB, fileSystem, node }, rounds }) =>
  `${system} ${architecture}, ${cores} cores, ${memoryGiB} GiB, ${fileSystem}, Node ${node.replace('v', '')}; medians ` +
  `of ${rounds} rounds.`
