// Results as a table for the terminal and for Markdown.

const headings = ['case', 'who', 'us a call', 'MB/s', 'of the limit', 'spread', 'target', '']

function time(microseconds) {
  return microseconds >= 1000 ? Math.round(microseconds).toLocaleString('en') : microseconds.toFixed(1)
}

function verdict({ contender, target, met }) {
  if (contender === 'plain') return 'the limit'
  if (target === undefined) return ''
  return met ? 'pass' : 'MISS'
}

function cells(result, row, isFirst) {
  const limit = row.contender === 'plain'
  return [
    isFirst ? result.title : '',
    row.contender + (row.mark ? '*' : ''),
    time(row.microseconds.median),
    Math.round(row.megabytesPerSecond).toLocaleString('en'),
    row.ratio.median.toFixed(2),
    limit ? '' : `${row.ratio.min.toFixed(2)}–${row.ratio.max.toFixed(2)}`,
    row.target === undefined ? '' : `≥ ${row.target.toFixed(2)}`,
    verdict(row),
  ]
}

const rowsOf = (report) => report.cases.flatMap((result) => result.results.map((row, i) => cells(result, row, i === 0)))

function notes(report) {
  const all = report.cases.flatMap(({ title, note, missing, results }) => [
    ...(note ? [`${title}: ${note}.`] : []),
    ...(missing ? [`Not measured: ${missing}.`] : []),
    ...results.filter(({ mark }) => mark).map(({ contender, mark }) => `* ${contender}, ${title}: ${mark}.`),
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

export function terminalTable(report) {
  const rows = [headings, ...rowsOf(report)]
  const widths = headings.map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  const isText = (column) => column < 2 || column > 6
  const line = (row) =>
    row
      .map((cell, i) => (isText(i) ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join('  ')
      .trimEnd()
  const [head, ...body] = rows.map(line)
  return [
    head,
    '-'.repeat(widths.reduce((sum, width) => sum + width + 2, -2)),
    ...body,
    '',
    ...notes(report),
    machineLine(report),
  ].join('\n')
}

export function markdown(report) {
  const line = (row) => `| ${row.join(' | ')} |`
  return [
    '# Benchmarks',
    '',
    '`plain` are bare system calls from Rust, the limit; `rust` is the engine, `ts` the package, `crate` the Rust crate',
    'pstream 0.1.1. All take turns in one run; "of the limit" is the speed by that of `plain` in the same round, and the',
    'targets are ratios too. Absolute times say something about this machine only.',
    '',
    machineLine(report),
    '',
    line(headings),
    line(headings.map((_, i) => (i < 2 || i > 6 ? '---' : '---:'))),
    ...rowsOf(report).map(line),
    '',
    ...notes(report).map((note) => `- ${note.replace(/^\*/, '\\*')}`),
    '',
  ].join('\n')
}
