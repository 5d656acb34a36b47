// Who is measured. Each has open, store, load and close; store and load resolve to the nanoseconds that the operations
// took, without the making of their arguments and the checking of their results.

import { content, stamp } from './content.mjs'
import { importPackage } from './package.mjs'

/** Measured in the baseline process. */
export class Native {
  constructor(name, baseline) {
    this.name = name
    this.baseline = baseline
  }

  async open(path, blockShift) {
    await this.baseline.ask('open', { contender: this.name, path, blockShift })
  }

  async store(work, layout) {
    return (await this.baseline.ask('store', { contender: this.name, work, layout })).nanoseconds
  }

  async load(work, fresh) {
    return (await this.baseline.ask('load', { contender: this.name, work, fresh })).nanoseconds
  }

  async close() {
    await this.baseline.ask('close', { contender: this.name })
  }
}

const HEAD = 64

/** Measured in this process, through the package. */
export class Package {
  name = 'ts'
  #BlockFile
  #bytes
  #seed
  #into

  static async create() {
    const contender = new Package()
    contender.#BlockFile = (await importPackage()).BlockFile
    return contender
  }

  async open(path, blockShift) {
    this.file = await this.#BlockFile.open(path, { blockShift })
  }

  #prepare({ seed, bytes }) {
    if (this.#seed === seed && this.#bytes.length === bytes) return
    this.#seed = seed
    this.#bytes = content(seed, bytes)
  }

  async store(work, layout) {
    this.#prepare(work)
    const bytes = this.#bytes
    const from = layout === 'pairs' ? pairs(bytes, this.file.blockSize) : bytes
    let nanoseconds = 0n
    for (let operation = work.first; operation < work.first + work.count; operation++) {
      stamp(bytes, operation)
      const block = (operation * work.bytes) / this.file.blockSize
      const start = process.hrtime.bigint()
      await this.file.store(block, from)
      nanoseconds += process.hrtime.bigint() - start
    }
    return Number(nanoseconds)
  }

  async load(work, fresh) {
    this.#prepare(work)
    this.#into ??= new Uint8Array(work.bytes)
    let nanoseconds = 0n
    for (let operation = work.first; operation < work.first + work.count; operation++) {
      const block = (operation * work.bytes) / this.file.blockSize
      const start = process.hrtime.bigint()
      const loaded = await (fresh ? this.file.loadBytes(block, work.bytes) : this.#loadInto(block))
      nanoseconds += process.hrtime.bigint() - start
      stamp(this.#bytes, operation)
      if (!this.#bytes.equals(loaded)) throw new Error(`load ts: operation ${operation} is not what was stored`)
    }
    return Number(nanoseconds)
  }

  async #loadInto(block) {
    await this.file.load(block, this.#into)
    return this.#into
  }

  async close() {
    await this.file.close()
  }
}

function pairs(bytes, blockSize) {
  const list = []
  for (let at = 0; at < bytes.length; at += blockSize) {
    list.push(bytes.subarray(at, at + HEAD), bytes.subarray(at + HEAD, at + blockSize))
  }
  return list
}

/** All of them; `missing` says who could not be had. */
export async function contenders(baseline) {
  const [plain, rust, crate] = ['plain', 'rust', 'crate'].map((name) => new Native(name, baseline))
  try {
    return { found: [plain, rust, await Package.create(), crate] }
  } catch (error) {
    return { found: [plain, rust, crate], missing: `ts: the package is not built (${error.message.split('\n')[0]})` }
  }
}
