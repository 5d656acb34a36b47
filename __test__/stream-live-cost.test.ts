// What live reads cost: one read from disk for all, memory that stays flat, and next to nothing for one that waits.

import { expect, test } from 'vitest'
import { run } from './support/children.js'
import { folder } from './support/folder.js'

const prologue = `
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
  const rss = () => process.memoryUsage().rss
  const settled = async () => { for (let round = 0; round < 5; round += 1) { await pause(600); globalThis.gc() } }
  const stream = await PersistentStream.open(root, { maxPendingBytes: '64MiB' })`

if (process.platform !== 'linux') console.log('skipped: only Linux tells what a process reads from disk')
test.runIf(process.platform === 'linux')('five hundred readers near the end read the disk once', () => {
  const script = `${prologue}
    const { readFileSync } = await import('node:fs')
    const readBytes = () => Number(/rchar: (\\d+)/.exec(readFileSync('/proc/self/io', 'utf8'))[1])
    let given = 0
    const follow = async (visibility) => {
      for await (const { data } of stream.read({ live: true, from: 'end', visibility })) given += data.length
    }
    const readers = Array.from({ length: 500 }, (_, index) => follow(index % 2 ? 'written' : 'durable'))
    await pause(20)
    const before = readBytes()
    for (let round = 0; round < 20; round += 1) await stream.append(new Uint8Array(100_000))
    while (given < 500 * 20 * 100_000) await pause(5)
    console.log((readBytes() - before) / 100_000)
    await stream.close()`
  const { stdout, stderr } = run(script, folder())
  expect(stderr).toBe('')
  // Twenty records, once for each of the two levels, and something of what lies beside them.
  expect(Number(stdout)).toBeGreaterThan(20)
  expect(Number(stdout)).toBeLessThan(100)
})

test('a read that waits takes four KiB of objects at most, and eight with everything; more from Node.js 22 on', {
  timeout: 60_000,
}, () => {
  const script = `${prologue}
    await stream.appendMany(['a', 'b', 'c'])
    const follow = async (options) => { for await (const _ of stream.read({ live: true, ...options })); }
    const kinds = [{}, { from: 'end' }, { visibility: 'written' }, { from: 1e9 }]
    const begin = async (count) => {
      for (let index = 0; index < count; index += 1) {
        follow(kinds[index % 4])
        // Garbage of the beginning is not what waiting takes.
        if (index % 500 === 499) { await pause(20); globalThis.gc() }
      }
    }
    await begin(1000)
    await settled()
    const objects = () => { const { heapUsed, external } = process.memoryUsage(); return heapUsed + external }
    const [before, objectsBefore, count] = [rss(), objects(), 10_000]
    await begin(count)
    await stream.append('x')
    await settled()
    console.log(JSON.stringify([(rss() - before) / count, (objects() - objectsBefore) / count]))
    await stream.close()`
  const { stdout, stderr } = run(script, folder())
  expect(stderr).toBe('')
  const [all, objects] = JSON.parse(stdout)
  expect(objects).toBeGreaterThan(0)
  // 2,650 were seen with Node.js 20, 2,450 with 22.
  expect(objects).toBeLessThan(4096)
  // The rest are pages that V8 keeps from when all of them were woken at once: 4,000 bytes each with Node.js 20, 6,000 to
  // 8,000 with 22.
  const most = Number.parseInt(process.versions.node, 10) < 22 ? 8192 : 12_288
  expect(all).toBeLessThan(most)
})

test('memory stays flat, with readers that follow and one that does not', { timeout: 60_000 }, () => {
  const script = `${prologue}
    let total = 0
    const follow = async (options, delay) => {
      let next = 0
      for await (const records of stream.readBatches({ live: true, ...options })) {
        if (records[0].seq !== next) throw new Error('out of order')
        next += records.length
        total += records.length
        if (delay > 0) await pause(delay)
      }
    }
    for (const options of [{}, {}, { visibility: 'written' }, { copy: true }]) follow(options, 0)
    // Falls behind by almost everything.
    follow({}, 200)
    const record = new Uint8Array(2000)
    const fill = async (rounds) => {
      const begin = performance.now()
      for (let round = 0; round < rounds; round += 1) await stream.appendMany(Array(1000).fill(record))
      return performance.now() - begin
    }
    await fill(40)
    globalThis.gc()
    const before = rss()
    await fill(240)
    while (total < 4 * 280_000) await pause(10)
    await pause(100)
    globalThis.gc()
    console.log((rss() - before) / 2 ** 20)
    await stream.close()`
  const { stdout, stderr } = run(script, folder())
  expect(stderr).toBe('')
  // Of almost 2 GiB that were read.
  expect(Number(stdout)).toBeLessThan(128)
})

test.runIf(process.platform === 'linux')(
  'a reader that keeps up is served from the page cache, whatever the commits',
  () => {
    const script = `${prologue}
    const { readFileSync } = await import('node:fs')
    const readFromDisk = () => Number(/read_bytes: (\\d+)/.exec(readFileSync('/proc/self/io', 'utf8'))[1])
    let count = 0
    ;(async () => { for await (const _ of stream.read({ live: true })) count += 1 })()
    const fill = async (rounds) => {
      const end = count + rounds
      for (let round = 0; round < rounds; round += 1) {
        await stream.append(new Uint8Array(1 << 20))
        // Not more than one behind.
        while (count < end - rounds + round) await pause(1)
      }
      while (count < end) await pause(1)
    }
    // The first commit goes past the cache: nobody is known to follow.
    await fill(4)
    const before = readFromDisk()
    await fill(60)
    console.log((readFromDisk() - before) / 2 ** 20)
    await stream.close()`
    const { stdout, stderr } = run(script, folder())
    expect(stderr).toBe('')
    expect(Number(stdout)).toBeLessThan(15)
  },
)
