// The ratios as an SVG bar chart: one group a case, one bar a contender, a line at the limit, a tick at each target.

const width = 900
const left = 300
const right = 20
const barHeight = 15
const groupGap = 16
const top = 84
const colours = { rust: '#b7410e', ts: '#2f6db3', crate: '#8a8f98' }
const names = { rust: 'engine, from Rust', ts: 'package, from TypeScript', crate: 'Rust crate pstream 0.1.1' }

const escapeXml = (text) =>
  text.replace(/[&<>]/g, (character) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[character])
const text = (x, y, content, attributes = '') => `<text x="${x}" y="${y}" ${attributes}>${escapeXml(content)}</text>`

export function chart(report) {
  const groups = report.cases.map(({ title, results }) => ({
    title,
    rows: results.filter(({ contender }) => contender !== 'plain'),
  }))
  const most = Math.max(1.2, ...groups.flatMap(({ rows }) => rows.map(({ ratio }) => ratio.median)))
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
        `<rect x="${16 + i * 200}" y="42" width="11" height="11" fill="${colours[name]}"/>` +
        text(32 + i * 200, 52, names[name]),
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
      ? [text(16, y + 30, 'Pale: does not make its data durable, so that it is not a fair comparison.', 'fill="#555"')]
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
    text(start + 5, y + 11.5, ratio.median.toFixed(2), `font-size="10" fill="${mark ? '#222' : '#fff'}"`)
  )
}
