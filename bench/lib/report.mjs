// Results as tables for the terminal and for Markdown: one for the stream, one for opening it, one for who consumes it, one
// for block files.

const KINDS = [
  {
    kind: 'stream',
    title: 'Stream',
    about: [
      '`ts` is the package (a scan by `readBatches`, `ts-read` by `read`); `rust` the engine with its commit thread, `log`',
      'without it; `plain` bare system calls from Rust that write and read as many bytes: the limit. Everybody else is a',
      'peer. "Of the limit" is the speed by that of the limit in the same round, "of peers" that by the fastest peer that',
      'frames its records; the delay is the 99th percentile of the event loop meanwhile. Appends are durable when they are',
      'acknowledged.',
    ],
    headings: [
      'case',
      'who',
      'us a record',
      'records/s',
      'MB/s',
      'of the limit',
      'spread',
      'of peers',
      'delay, ms',
      'targets',
    ],
    texts: [0, 1, 9],
    cells: streamCells,
  },
  {
    kind: 'open',
    title: 'Opening a stream',
    about: ['For writing, closed properly before, with nothing of it in the page cache.'],
    headings: ['case', 'who', 'ms', 'spread', 'ms more than empty', 'targets'],
    texts: [0, 1, 5],
    cells: openCells,
  },
  {
    kind: 'consumers',
    title: 'Consumers of a stream',
    about: ['Through the package. Everything that is read is compared.'],
    headings: ['case', 'figure', 'median', 'unit', 'spread', 'target'],
    texts: [0, 1, 3, 5],
    cells: consumerCells,
  },
  {
    kind: undefined,
    title: 'Block files',
    about: [
      '`plain` are bare system calls from Rust, the limit; `rust` is the engine, `ts` the package, `crate` the Rust crate',
      'pstream 0.1.1. "Of the limit" is the speed by that of `plain` in the same round.',
    ],
    headings: ['case', 'who', 'us a call', 'MB/s', 'of the limit', 'spread', 'target', ''],
    texts: [0, 1, 7],
    cells: blockCells,
  },
]

function time(microseconds) {
  if (microseconds < 1) return microseconds.toFixed(3)
  return microseconds >= 1000 ? Math.round(microseconds).toLocaleString('en') : microseconds.toFixed(1)
}

const whole = (value) => Math.round(value).toLocaleString('en')
const range = ({ min, max }, digits = 2) => `${min.toFixed(digits)}–${max.toFixed(digits)}`
const verdicts = (row) => row.checks.map(({ text, met }) => `${text}: ${met ? 'pass' : 'MISS'}`).join('; ')
const who = (row) => row.contender + (row.mark ? '*' : '')

function streamCells(row) {
  const limit = row.contender.startsWith('plain')
  return [
    who(row),
    time(row.microseconds.median),
    whole(row.perSecond),
    whole(row.megabytesPerSecond),
    row.ratio?.median.toFixed(2) ?? '',
    row.ratio === undefined || limit ? '' : range(row.ratio),
    row.byPeer === undefined || limit ? '' : row.byPeer.median.toFixed(1),
    row.loopMs?.toFixed(1) ?? '',
    [
      ...(row.speedup === undefined ? [] : [`${row.speedup.median.toFixed(1)} × one at a time`]),
      ...(row.checks.length === 0 ? [] : [verdicts(row)]),
    ].join('; '),
  ]
}

function openCells(row) {
  const { median, min, max } = row.microseconds
  const ms = (value) => value / 1000
  return [
    who(row),
    ms(median).toFixed(1),
    range({ min: ms(min), max: ms(max) }, 1),
    row.moreMs.toFixed(1),
    verdicts(row),
  ]
}

function figure(value) {
  if (value === 0) return '0'
  if (Math.abs(value) >= 1000) return whole(value)
  return value.toFixed(Math.abs(value) < 10 ? 2 : 1)
}

function consumerCells(row) {
  const { median, min, max } = row.value
  return [row.figure, figure(median), row.unit, `${figure(min)}–${figure(max)}`, verdicts(row)]
}

function blockVerdict({ contender, target, met }) {
  if (contender === 'plain') return 'the limit'
  if (target === undefined) return ''
  return met ? 'pass' : 'MISS'
}

function blockCells(row) {
  const limit = row.contender === 'plain'
  return [
    who(row),
    time(row.microseconds.median),
    whole(row.megabytesPerSecond),
    row.ratio.median.toFixed(2),
    limit ? '' : range(row.ratio),
    row.target === undefined ? '' : `≥ ${row.target.toFixed(2)}`,
    blockVerdict(row),
  ]
}

/** The tables that there are rows for. */
function tables(report) {
  return KINDS.flatMap(({ cells, ...table }) => {
    const results = report.cases.filter(({ kind }) => kind === table.kind)
    const rows = results.flatMap((result) =>
      result.results.map((row, i) => [i === 0 ? result.title : '', ...cells(row)]),
    )
    return rows.length === 0 ? [] : [{ ...table, rows, notes: notes(results) }]
  })
}

function notes(results) {
  const all = results.flatMap(({ title, kind, note, missing, results: rows }) => [
    ...(note ? [`${title}: ${note}.`] : []),
    ...(missing ? [`Not measured: ${missing}.`] : []),
    ...rows
      .filter(({ mark }) => mark)
      .map(({ contender, mark }) => `* ${contender}${kind === 'stream' ? '' : `, ${title}`}: ${mark}.`),
  ])
  return [...new Set(all)]
}

function machineLine({ machine, rounds }) {
  const { system, architecture, cores, memoryGiB, fileSystem, inMemory, node } = machine
  return (
    `${system} ${architecture}, ${cores} cores, ${memoryGiB} GiB, ${fileSystem}` +
    `${inMemory ? ' (in memory: says nothing about a disk)' : ''}, Node ${node}; medians of ${rounds} rounds, spread from the slowest to the fastest.`
  )
}

function terminal({ title, headings, texts, rows, notes }) {
  const all = [headings, ...rows]
  const widths = headings.map((_, column) => Math.max(...all.map((row) => row[column].length)))
  const line = (row) =>
    row
      .map((cell, i) => (texts.includes(i) ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join('  ')
      .trimEnd()
  const [head, ...body] = all.map(line)
  const rule = '-'.repeat(widths.slice(0, -1).reduce((sum, width) => sum + width + 2, headings.at(-1).length))
  return [title, '', head, rule, ...body, '', ...notes, ''].join('\n')
}

export function terminalTable(report) {
  return [...tables(report).map(terminal), machineLine(report)].join('\n')
}

export function markdown(report) {
  const line = (row) => `| ${row.join(' | ')} |`
  const section = ({ title, about, headings, texts, rows, notes }) => [
    `## ${title}`,
    '',
    ...about,
    '',
    line(headings),
    line(headings.map((_, i) => (texts.includes(i) ? '---' : '---:'))),
    ...rows.map(line),
    '',
    ...notes.map((note) => `- ${note.replace(/^\*/, '\\*')}`),
    ...(notes.length > 0 ? [''] : []),
  ]
  return [
    '# Benchmarks',
    '',
    'All take turns in one run, and targets are ratios where they can be: absolute times say something about this machine',
    'only.',
    '',
    machineLine(report),
    '',
    ...tables(report).flatMap(section),
  ].join('\n')
}
