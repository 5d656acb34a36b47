// The peers, each in its best configuration of which an acknowledged record survives a power cut.

import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { Peer } from './contender.mjs'
import { betterSqlite, nodeSqlite } from './sqlite.mjs'

const MOST_BUFFERS = 1024
const READ = 1 << 20

class Level extends Peer {
  name = 'classic-level'
  #ClassicLevel
  #level

  constructor(ClassicLevel) {
    super()
    this.#ClassicLevel = ClassicLevel
  }

  async open(folder) {
    // What is written cannot be compressed, and it should not try.
    const options = { keyEncoding: 'view', valueEncoding: 'view', compression: false }
    this.#level = new this.#ClassicLevel(join(folder, 'level'), options)
    await this.#level.open()
  }

  async commit(buffers, first) {
    const batch = buffers.map((value, i) => ({ type: 'put', key: key(first + i), value }))
    await this.#level.batch(batch, { sync: true })
  }

  async read(use) {
    const values = this.#level.values({ fillCache: false, highWaterMarkBytes: READ })
    for (;;) {
      const some = await values.nextv(1000)
      if (some.length === 0) break
      for (const value of some) use(value)
    }
    await values.close()
  }

  close() {
    return this.#level.close()
  }
}

/** In the order of the numbers. */
function key(number) {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, number)
  return bytes
}

class Lmdb extends Peer {
  name = 'lmdb'
  #open
  #database

  constructor(openDatabase) {
    super()
    this.#open = openDatabase
  }

  open(folder) {
    const options = { encoding: 'binary', keyEncoding: 'uint32', compression: false, maxReaders: 4 }
    this.#database = this.#open({ path: join(folder, 'lmdb'), ...options })
  }

  async commit(buffers, first) {
    for (let i = 0; i < buffers.length; i++) this.#database.put(first + i, buffers[i])
    // Committed alone is not durable.
    await this.#database.flushed
  }

  read(use) {
    for (const { value } of this.#database.getRange({ snapshot: false })) use(value)
  }

  close() {
    return this.#database.close()
  }
}

/** Bytes one behind the other, and nothing to tell them apart by. */
class File extends Peer {
  name = 'node:fs'
  #bytes
  #file

  async open(folder, { bytes }) {
    this.#bytes = bytes
    this.#file = await open(join(folder, 'file'), 'a+')
  }

  async commit(buffers) {
    for (let at = 0; at < buffers.length; at += MOST_BUFFERS) {
      const some = buffers.slice(at, at + MOST_BUFFERS)
      const { bytesWritten } = await this.#file.writev(some)
      if (bytesWritten !== some.length * this.#bytes) throw new Error('node:fs has not written everything')
    }
    await this.#file.datasync()
  }

  async read(use) {
    const bytes = this.#bytes
    // Whole records.
    const memory = Buffer.allocUnsafe(Math.max(1, Math.floor(READ / bytes)) * bytes)
    for (let position = 0; ; ) {
      const { bytesRead } = await this.#file.read(memory, 0, memory.length, position)
      if (bytesRead === 0) break
      for (let at = 0; at + bytes <= bytesRead; at += bytes) use(memory.subarray(at, at + bytes))
      position += bytesRead
    }
  }

  close() {
    return this.#file.close()
  }
}

const makers = new Map([
  ['better-sqlite3', betterSqlite],
  ['node:sqlite', nodeSqlite],
  ['classic-level', async () => new Level((await import('classic-level')).ClassicLevel)],
  ['lmdb', async () => new Lmdb((await import('lmdb')).open)],
  ['node:fs', async () => new File()],
])

export const peerNames = [...makers.keys()]

/** One of them; rejects if it cannot be had. */
export function peer(name) {
  return makers.get(name)()
}
