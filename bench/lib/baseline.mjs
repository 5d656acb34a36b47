// The child process that does what does not need Node: see bench/baseline/src/main.rs.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const target = process.env.CARGO_TARGET_DIR ?? `${root}target`

export function buildBaseline() {
  execFileSync('cargo', ['build', '--release', '--quiet', '-p', 'pstream-bench-baseline'], {
    cwd: root,
    stdio: 'inherit',
  })
}

export class Baseline {
  #child
  #answers

  constructor() {
    this.#child = spawn(`${target}/release/pstream-bench-baseline`, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#child.on('error', (error) => {
      throw new Error(`the baseline does not start: ${error.message}`)
    })
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  /** One request at a time. */
  async ask(op, fields = {}) {
    this.#child.stdin.write(`${JSON.stringify({ op, ...fields })}\n`)
    const { value, done } = await this.#answers.next()
    if (done) throw new Error('the baseline ended before it answered')
    const answer = JSON.parse(value)
    if (answer.error !== undefined) throw new Error(`${op} ${fields.contender ?? ''}: ${answer.error}`)
    return answer
  }

  async close() {
    this.#child.stdin.end()
    if (this.#child.exitCode === null) await once(this.#child, 'exit')
  }
}
