// Those that run beside the main thread: a worker that is terminated, a process that is killed, a process that reads.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { PersistentStream } from 'pstream'
import { reach, readMany } from './reading.mjs'
import { Checker, Records } from './records.mjs'

const children = new Set()

/** At once, whatever they are doing: for a run that has failed. */
export function killChildren() {
  for (const { process } of children) process.kill('SIGKILL')
}

/** A child process, and whether it ended by itself. */
function child(program, task, { onMessage, fail }) {
  const process = fork(new URL(program, import.meta.url), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  let expected = false
  const ended = once(process, 'exit').then(([code, signal]) => {
    children.delete(handle)
    if (!expected) fail(new Error(`${program} ended: ${signal ?? `code ${code}`}`))
  })
  process.on('message', onMessage)
  process.send(task)
  const kill = async () => {
    expected = true
    process.kill('SIGKILL')
    await ended
  }
  const handle = { process, kill }
  children.add(handle)
  return handle
}

/** The stream that a worker thread writes and reads. */
export class WorkerStream {
  name = 'worker'
  salt = 2
  durable = 0
  committed = 0
  read = 0
  disk = 0
  terminated = 0

  constructor(folder, { fail }) {
    this.folder = folder
    this.fail = fail
  }

  async open() {
    const { folder, name, salt, committed } = this
    this.worker = new Worker(new URL('./worker.mjs', import.meta.url), {
      workerData: { folder, name, salt, committed },
    })
    this.worker.on('error', this.fail)
    const opened = new Promise((resolve) => {
      this.worker.on('message', (message) => this.#take(message, resolve))
    })
    await Promise.race([opened, once(this.worker, 'exit')])
  }

  #take({ opened, previous, durable, committed, oldest, read, disk }, resolve) {
    if (opened !== undefined) {
      // What a worker that is terminated had appended is committed, and its stream is closed.
      if (previous !== (this.terminated === 0 ? 'new' : 'closed')) this.fail(new Error(`worker: ${previous}`))
      if (opened < this.durable) this.fail(new Error(`worker: ${opened} of ${this.durable} durable records`))
      resolve()
    }
    if (durable !== undefined) this.durable = durable
    if (committed !== undefined) this.committed = committed
    if (oldest === undefined) return
    this.read = read
    this.disk = disk
  }

  async terminate() {
    await this.worker.terminate()
    this.terminated += 1
  }

  async reopen() {
    await this.terminate()
    await this.open()
  }

  /** Until what was durable at the call was read live. */
  async caughtUp() {
    const end = this.durable
    await reach(
      () => `reader in the worker: ${this.read} of ${end} durable records`,
      () => this.read >= end,
    )
  }
}

/** A stream that a child process writes, and that is read from here. */
export class VictimStream {
  name = 'victim'
  salt = 3
  durable = 0
  disk = 0
  killed = 0

  constructor(folder, { fail }) {
    this.folder = folder
    this.fail = fail
    this.checker = new Checker('reader of the killed process', new Records('mixed', this.salt))
  }

  async open() {
    const { folder, name, salt, fail } = this
    const opened = new Promise((resolve) => {
      this.child = child(
        './victim.mjs',
        { folder, name, salt },
        { fail, onMessage: (said) => this.#take(said, resolve) },
      )
    })
    await opened
    if (this.stream !== undefined) return
    this.stream = await PersistentStream.openReadOnly(folder, { name })
    this.reading = readMany(this.stream, this.checker).catch(fail)
  }

  #take({ opened, previous, durable, disk }, resolve) {
    if (opened !== undefined) {
      if (previous !== (this.killed === 0 ? 'new' : 'crashed')) this.fail(new Error(`killed process: ${previous}`))
      if (opened < this.durable) this.fail(new Error(`killed process: ${opened} of ${this.durable} durable records`))
      resolve()
    }
    if (durable === undefined) return
    this.durable = Math.max(this.durable, durable)
    this.disk = disk
  }

  async kill() {
    await this.child.kill()
    this.killed += 1
  }

  async reopen() {
    await this.kill()
    await this.open()
  }

  async caughtUp() {
    const end = this.durable
    await reach(
      () => `${this.checker.who}: ${this.checker.next} of ${end} durable records`,
      () => this.checker.next >= end,
    )
  }

  async close() {
    await this.kill()
    await this.caughtUp()
    await this.stream.close()
    await this.reading
  }
}

/** A child process that reads the stream of the main thread. */
export class Follower {
  next = 0

  constructor(folder, main, { fail }) {
    this.task = { folder, name: main.name, salt: main.salt }
    this.fail = fail
  }

  async open() {
    let answer
    const onMessage = (message) => answer?.(message)
    this.child = child('./follower.mjs', this.task, { fail: this.fail, onMessage })
    this.ask = () =>
      new Promise((resolve) => {
        answer = resolve
        this.child.process.send('how far?')
      })
    await new Promise((resolve) => {
      answer = resolve
    })
  }

  /** What it takes; and until it has read so many records. */
  async resources(end) {
    const until = performance.now() + 30_000
    for (;;) {
      const { next, resources } = await this.ask()
      if (next >= end) return resources
      if (performance.now() > until) throw new Error(`reader in another process: ${next} of ${end} records after 30 s`)
    }
  }

  async close() {
    await this.child.kill()
  }
}
