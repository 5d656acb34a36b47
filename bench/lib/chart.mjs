// The ratios as an SVG bar chart: one group a case, one bar a contender, a line at the limit, a tick at each target.

const width = 900
const left = 300
const right = 20
const barHeight = 15
const groupGap = 16
const top = 102
const colours = {
  ts: '#2f6db3',
  'ts-read': '#6b9bd1',
  rust: '#b7410e',
  log: '#d98a5f',
  'better-sqlite3': '#4d7c5a',
  'node:sqlite': '#7da886',
  'classic-level': '#8a6db0',
  lmdb: '#b5749b',
  'node:fs': '#a08a4f',
  crate: '#8a8f98',
}
const names = {
  ts: 'package',
  'ts-read': 'package, read()',
  rust: 'engine',
  log: 'engine, no thread',
  crate: 'crate pstream 0.1.1',
}
const legendColumns = 5
const legendRow = 18

const escapeXml = (text) =>
  text.replace(/[&<>]/g, (character) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[character])
const text = (x, y, content, attributes = '') => `<text x="${x}" y="${y}" ${attributes}>${escapeXml(content)}</text>`

const legendX = (i) => 16 + (i % legendColumns) * 170
const legendY = (i) => 42 + Math.floor(i / legendColumns) * legendRow

export function chart(report) {
  const groups = report.cases
    .map(({ title, results }) => ({
      title,
      rows: results.filter(({ contender, ratio }) => ratio !== undefined && !contender.startsWith('plain')),
    }))
    .filter(({ rows }) => rows.length > 0)
  const most = Math.min(2, Math.max(1.2, ...groups.flatMap(({ rows }) => rows.map(({ ratio }) => ratio.median))))
  // A round far off ends at the edge.
  const scale = (ratio) => left + (Math.min(ratio, most) / most) * (width - left - right)
  const marks = []
  let y = top
  for (const { title, rows } of groups) {
    marks.push(text(left - 10, y + (rows.length * barHeight) / 2 + 4, title, 'text-anchor="end"'))
    for (const row of rows) {
      marks.push(bar(row, y, scale))
      y += barHeight
    }
    y += groupGap
  }
  const contenders = Object.keys(colours).filter((name) =>
    groups.some(({ rows }) => rows.some(({ contender }) => contender === name)),
  )
  const limit = scale(1).toFixed(1)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y + 44}" font-family="system-ui, sans-serif" font-size="12" fill="#222">`,
    `<rect width="${width}" height="${y + 44}" fill="#fff"/>`,
    text(16, 26, 'Speed as a share of bare system calls doing the same work', 'font-size="16" font-weight="600"'),
    ...contenders.map(
      (name, i) =>
        `<rect x="${legendX(i)}" y="${legendY(i)}" width="11" height="11" fill="${colours[name]}"/>` +
        text(legendX(i) + 16, legendY(i) + 10, names[name] ?? name),
    ),
    text(limit, top - 8, 'limit', 'text-anchor="middle" fill="#555"'),
    ...marks,
    `<line x1="${limit}" x2="${limit}" y1="${top - 4}" y2="${y - groupGap + 4}" stroke="#222"/>`,
    text(
      16,
      y + 12,
      'Medians; a thin line spans the rounds; a dark tick is the target. Longer is faster.',
      'fill="#555"',
    ),
    ...(groups.some(({ rows }) => rows.some(({ mark }) => mark))
      ? [
          text(
            16,
            y + 30,
            'Pale: promises less, so that it is not a fair comparison: see the notes of the table.',
            'fill="#555"',
          ),
        ]
      : []),
    '</svg>',
    '',
  ].join('\n')
}

function bar({ contender, ratio, target, mark }, y, scale) {
  const [start, end, low, high] = [0, ratio.median, ratio.min, ratio.max].map((value) =>
    Number(scale(value).toFixed(1)),
  )
  const middle = y + barHeight / 2
  const tick =
    target === undefined
      ? ''
      : `<line x1="${scale(target).toFixed(1)}" x2="${scale(target).toFixed(1)}" y1="${y + 1}" y2="${y + barHeight - 1}" stroke="#111" stroke-width="2"/>`
  return (
    `<rect x="${start}" y="${y + 1}" width="${(end - start).toFixed(1)}" height="${barHeight - 2}" fill="${colours[contender]}"${mark ? ' opacity="0.4"' : ''}/>` +
    `<line x1="${low}" x2="${high}" y1="${middle}" y2="${middle}" stroke="#111" opacity="0.55"/>${tick}` +
    label(start, end, y, ratio.median, mark)
  )
}

/** Inside the bar, or behind it where it is short. */
function label(start, end, y, value, mark) {
  const isShort = end - start < 36
  const fill = mark || isShort ? '#222' : '#fff'
  return text(isShort ? end + 5 : start + 5, y + 11.5, value.toFixed(2), `font-size="10" fill="${fill}"`)
}
