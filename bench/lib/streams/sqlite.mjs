// SQLite: a table of blobs, in write-ahead mode, synced at every transaction.

import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { Peer } from './contender.mjs'

const SETTINGS = ['journal_mode = WAL', 'synchronous = FULL', 'mmap_size = 1073741824', 'cache_size = -65536']
const TABLE = 'CREATE TABLE IF NOT EXISTS records (seq INTEGER PRIMARY KEY, data BLOB NOT NULL)'
const INSERT = 'INSERT INTO records (seq, data) VALUES (?, ?)'
const SELECT = 'SELECT data FROM records ORDER BY seq'

/** Single commits between two turns of the event loop. */
const BREATH = 16

class Sqlite extends Peer {
  #connect
  #database
  #insert
  #commits = 0

  constructor(name, connect) {
    super()
    this.name = name
    this.#connect = connect
  }

  open(folder) {
    this.#database = this.#connect(join(folder, 'sqlite'))
    for (const setting of SETTINGS) this.#database.exec(`PRAGMA ${setting}`)
    this.#database.exec(TABLE)
    this.#insert = this.#database.prepare(INSERT)
  }

  async commit(buffers, first) {
    const insert = this.#insert
    if (buffers.length === 1) insert.run(first, buffers[0])
    else {
      this.#database.exec('BEGIN')
      for (let i = 0; i < buffers.length; i++) insert.run(first + i, buffers[i])
      this.#database.exec('COMMIT')
    }
  }

  /** A transaction blocks the event loop, which gets its turn in between, as in any program. */
  async breathe(wave) {
    this.#commits += wave > 1 ? BREATH : 1
    if (this.#commits < BREATH) return
    this.#commits = 0
    await setImmediate()
  }

  read(use) {
    for (const { data } of this.#database.prepare(SELECT).iterate()) use(data)
  }

  close() {
    this.#database.close()
  }
}

/** The version that this Node.js can have: from 13 on better-sqlite3 needs Node.js 22. */
export async function betterSqlite() {
  const isOld = Number(process.versions.node.split('.')[0]) < 22
  const { default: Database } = await import(isOld ? 'better-sqlite3-12' : 'better-sqlite3')
  return new Sqlite('better-sqlite3', (path) => new Database(path))
}

export async function nodeSqlite() {
  const { DatabaseSync } = await import('node:sqlite')
  return new Sqlite('node:sqlite', (path) => new DatabaseSync(path))
}
