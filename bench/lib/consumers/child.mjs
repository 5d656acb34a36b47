// A consumer in a process of its own: what it does is in consumer.mjs.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('./consumer.mjs', import.meta.url))

export class Child {
  #process
  #failed

  /** With options of Node.js. */
  constructor(...options) {
    this.#process = fork(program, { execArgv: options, serialization: 'advanced' })
    this.#failed = new Promise((_, reject) => {
      this.#process.once('exit', (code, signal) => reject(new Error(`a consumer has ended with ${signal ?? code}`)))
    })
    this.#failed.catch(() => {})
  }

  get pid() {
    return this.#process.pid
  }

  /** One request at a time. */
  async ask(op, fields = {}) {
    this.#process.send({ op, ...fields })
    const [{ error, answer }] = await Promise.race([once(this.#process, 'message'), this.#failed])
    if (error !== undefined) throw new Error(`${op}: ${error}`)
    return answer
  }

  async close() {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = once(this.#process, 'exit')
    this.#process.disconnect()
    await ended
  }
}
