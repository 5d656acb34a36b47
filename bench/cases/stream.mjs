// The persistent stream beside its peers and the limit. Targets: `ratio` of the limit, records a second, times the best
// framed peer, times its own rate with one in flight, ms of event loop delay.

import { measureAppends } from '../lib/streams/appends.mjs'
import { measureOpens } from '../lib/streams/opens.mjs'
import { peerNames } from '../lib/streams/peers.mjs'
import { measureScans } from '../lib/streams/scans.mjs'

const MiB = 1 << 20
const own = ['rust', 'log', 'ts']
const marks = { 'node:fs': 'bytes without framing or checksums: nothing tells a torn record from a whole one' }

const appends = [
  {
    name: 'append-1',
    title: 'append 256 bytes, awaited one by one',
    contenders: ['plain', ...own, ...peerNames],
    inFlight: 1,
    targets: { ts: { ratio: 0.77 } },
  },
  {
    name: 'append-64',
    title: 'append 256 bytes, 64 callers',
    contenders: ['plain', 'rust', 'ts'],
    inFlight: 64,
    lone: true,
    targets: { rust: { speedup: 40 }, ts: { speedup: 40 } },
  },
  {
    name: 'append-1000',
    title: 'append 256 bytes, 1,000 in flight, a promise each',
    contenders: ['plain', ...own, ...peerNames],
    inFlight: 1000,
    mostBytes: 256 * MiB,
    targets: { ts: { perSecond: 2.5e6, byPeer: 6, loopMs: 5 } },
    note: 'peers take 1,000 in one transaction, batch or call',
  },
  {
    name: 'append-many',
    title: 'appendMany of 1,000 records of 256 bytes, 4 calls in flight',
    contenders: ['plain', ...own],
    inFlight: 4000,
    together: 1000,
    mostBytes: 256 * MiB,
    targets: { ts: { perSecond: 5e6, loopMs: 5 } },
  },
].map((definition) => ({
  bytes: 256,
  prewrite: true,
  mostBytes: 64 * MiB,
  measure: measureAppends,
  marks,
  ...definition,
}))

const bulk = {
  name: 'append-1MiB',
  title: 'append 1 MiB, 8 in flight',
  contenders: ['plain', 'plain-direct', ...own, ...peerNames],
  bytes: MiB,
  inFlight: 8,
  mostBytes: 768 * MiB,
  targets: { ts: { ratio: 0.9, loopMs: 5 } },
  marks,
  note: 'the limit is the faster of writing through the page cache, which is dropped every 4 MiB (`plain`), and past it with O_DIRECT (`plain-direct`), 8 MiB a call, into space that is reserved and was never written',
  measure: measureAppends,
}

const readers = ['plain', 'log', 'ts', 'ts-read', ...peerNames]
const scans = [
  {
    name: 'scan-cold',
    title: 'scan records of 256 bytes, cold',
    bytes: 256,
    cold: true,
    targets: { ts: { perSecond: 5e6, loopMs: 5 }, 'ts-read': { perSecond: 3e6 } },
  },
  { name: 'scan-cached', title: 'scan records of 256 bytes, cached', bytes: 256, cold: false },
  {
    name: 'scan-1MiB',
    title: 'scan records of 1 MiB, cold',
    bytes: MiB,
    mostBytes: 64 * MiB,
    cold: true,
    targets: { ts: { ratio: 0.8 } },
  },
].map((definition) => ({ contenders: readers, mostBytes: 32 * MiB, marks, measure: measureScans, ...definition }))

const opens = [
  { name: 'open-100GB', title: 'open a stream of 100 GB', files: 1600, fileSize: 64 * MiB, target: { mostMore: 10 } },
  { name: 'open-16383', title: 'open a stream of 16,383 files', files: 16383, fileSize: MiB, target: { most: 150 } },
].map(({ target, ...definition }) => ({
  ...definition,
  contenders: ['log', 'ts'],
  targets: { log: target, ts: target },
  measure: measureOpens,
}))

const sizes = [1, 16, 256, 4096, 65536, MiB, 4 * MiB]
const named = (bytes) =>
  bytes >= MiB ? `${bytes / MiB} MiB` : bytes >= 1024 ? `${bytes / 1024} KiB` : `${bytes} bytes`

/** What grows with what: measured with `--growth`. */
export const growth = [
  ...[1, 10, 100].flatMap((times) =>
    [1, 1000].map((inFlight) => ({
      name: `growth-length-${times}x-${inFlight}`,
      title: `append 256 bytes, ${inFlight.toLocaleString('en')} in flight, behind ${times * 8} MiB`,
      bytes: 256,
      inFlight,
      prefill: times * 32768,
      contenders: ['log', 'ts'],
    })),
  ),
  ...[1, 16].map((streams) => ({
    name: `growth-streams-${streams}`,
    title: `append 256 bytes, one in flight in each of ${streams} streams`,
    bytes: 256,
    inFlight: streams,
    contenders: [`ts-${streams}-streams`],
  })),
  ...sizes.map((bytes) => ({
    name: `growth-record-${named(bytes).replace(' ', '')}`,
    title: `append ${named(bytes)}, ${Math.min(1000, (8 * MiB) / bytes)} in flight`,
    bytes,
    inFlight: Math.min(1000, (8 * MiB) / bytes),
    contenders: ['plain', 'log', 'ts'],
  })),
].map((definition) => ({ mostBytes: 64 * MiB, measure: measureAppends, ...definition }))

export const cases = [...appends, bulk, ...scans, ...opens]
