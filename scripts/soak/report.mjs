// What the soak prints, and what it writes to docs/soak.md.

import { cpus, totalmem, type } from 'node:os'

const MIB = 2 ** 20
const mib = (bytes) => (bytes / MIB).toFixed(1)
const known = (value) => (value === undefined ? '-' : `${value}`)

const columns = [
  ['minute', ({ minute }) => minute.toFixed(minute < 10 ? 2 : 1)],
  ['records', ({ records }) => `${records}`],
  ['main MiB', ({ bytes }) => mib(bytes)],
  ['p50 ms', ({ p50 }) => p50?.toFixed(2)],
  ['p99 ms', ({ p99 }) => p99?.toFixed(2)],
  ['rss MiB', ({ rss }) => mib(rss)],
  ['heap', ({ heap }) => mib(heap)],
  ['external', ({ external }) => mib(external)],
  ['fds', ({ descriptors }) => known(descriptors)],
  ['threads', ({ threads }) => known(threads)],
  ['other rss', ({ otherRss }) => mib(otherRss)],
  ['fds', ({ otherDescriptors }) => known(otherDescriptors)],
  ['disk MiB', ({ disk }) => mib(disk)],
  ['reopened', ({ reopened }) => `${reopened}`],
  ['killed', ({ killed }) => `${killed}`],
]

export const heading = columns.map(([name]) => name.padStart(9)).join(' ')
export const line = (window) => columns.map(([, show]) => known(show(window)).padStart(9)).join(' ')

export function verdict(rows) {
  const pad = (cells) => cells.map((cell, index) => (index === 0 ? cell.padEnd(30) : cell.padStart(14))).join(' ')
  const lines = rows.map(({ what, first, last, allowed, ok }) =>
    pad([what, first, last, allowed, ok ? 'flat' : 'GROWS']),
  )
  return [pad(['', 'first part', 'last part', 'allowed', '']), ...lines].join('\n')
}

function table(head, rows) {
  const row = (cells) => `| ${cells.join(' | ')} |`
  return [row(head), row(head.map((_, index) => (index === 0 ? '---' : '---:'))), ...rows.map(row)].join('\n')
}

/** A page of a run that went well. */
export function page({ seconds, windows, rows, totals }) {
  const machine = `${type()} ${process.arch}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`
  const facts = totals.map(([what, value]) => `- ${what}: ${value}`).join('\n')
  // A dozen windows say enough.
  const every = Math.ceil(windows.length / 12)
  const shown = windows.filter((_, index) => (index + 1) % every === 0)
  return `# Soak

Written by \`npm run soak -- --minutes ${Math.round(seconds / 60)} --write\`. ${machine}; ${new Date().toISOString().slice(0, 10)}.

Three streams at once. One in the main thread: eight callers that append records of 1 byte to 2 MiB; read live record by record, in arrays, by a cursor that commits, by a reader that is too slow, and by another process; 64 MiB are kept; closed and opened again in between. One in a worker thread, which is terminated now and then: small records by every way of appending, a cursor, trims. One of a child process, which is killed now and then, read from the main thread. Every record that was acknowledged was read back by each live reader but the slow one, once, in order, byte by byte; at the end every byte of each stream was verified.

${facts}

## Is it flat?

Medians of the windows of the first third and of the last, the first fifth of the run left out.

${table(
  ['', 'first part', 'last part', 'allowed'],
  rows.map(({ what, first, last, allowed }) => [what, first, last, allowed]),
)}

## In the course of time

Memory after a garbage collection. The records are those of all three streams, the MiB those appended in the main thread. "Other" is the process that reads.

${table(
  columns.map(([name]) => name),
  shown.map((window) => columns.map(([, show]) => known(show(window)))),
)}
`
}
