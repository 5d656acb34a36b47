// Whether something has grown in the course of a run: what it was in the first part, beside what it is in the last.

import { median } from './measure.mjs'

const MIB = 2 ** 20
const mib = (bytes) => `${(bytes / MIB).toFixed(1)} MiB`
const plain = (value) => `${value}`
const ms = (time) => `${time.toFixed(2)} ms`

/** The allocators of the threads take a minute or two to have what they need, and latency is that of a busy machine. */
const isShort = (seconds) => seconds < 600

/** What it is, and how much more of it the last part may have than the first. */
export const bounds = [
  {
    key: 'rss',
    what: 'memory of the process',
    more: (first, seconds) => Math.max((isShort(seconds) ? 96 : 48) * MIB, first * 0.2),
    show: mib,
  },
  { key: 'heap', what: 'heap of JavaScript', more: () => 8 * MIB, show: mib },
  { key: 'external', what: 'memory outside the heap', more: () => 16 * MIB, show: mib },
  { key: 'descriptors', what: 'open descriptors', more: () => 8, show: plain },
  { key: 'threads', what: 'threads', more: () => 3, show: plain },
  { key: 'p99', what: 'p99 of an append', more: (first, seconds) => first + (isShort(seconds) ? 100 : 20), show: ms },
  {
    key: 'otherRss',
    what: "the other process's memory",
    more: (first, seconds) => Math.max((isShort(seconds) ? 64 : 32) * MIB, first * 0.2),
    show: mib,
  },
  { key: 'otherExternal', what: 'and outside its heap', more: () => 16 * MIB, show: mib },
  { key: 'otherDescriptors', what: 'and its descriptors', more: () => 6, show: plain },
]

/** What the three streams may keep: 64 and 32 MiB and 20,000 small records; and each a file in use and the one behind it. */
const DISK = 160 * MIB

function disk(windows) {
  const most = Math.max(...windows.map((window) => window.disk))
  const first = mib(windows[0].disk)
  return { what: 'disk, at most', first, last: mib(most), allowed: mib(DISK), ok: most <= DISK }
}

/**
 * Compares medians of the windows of the first third with those of the last, once the first fifth is left out: caches
 * fill, and code is compiled.
 */
export function compare(windows, seconds) {
  const warm = windows.slice(Math.ceil(windows.length / 5))
  const third = Math.floor(warm.length / 3)
  if (third === 0) throw new Error('too few windows to compare')
  const rows = bounds.flatMap(({ key, what, more, show }) => {
    const first = median(warm.slice(0, third).map((window) => window[key]))
    const last = median(warm.slice(-third).map((window) => window[key]))
    if (first === undefined || last === undefined) return []
    const allowed = more(first, seconds)
    return { what, first: show(first), last: show(last), allowed: `+${show(allowed)}`, ok: last - first <= allowed }
  })
  return [...rows, disk(windows)]
}
