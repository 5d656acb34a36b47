// What the programs of this folder have in common: a folder of their own, child processes, and an end that leaves nothing
// of either behind and says what went wrong.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const children = new Set()

/** Runs `work` with a folder that is gone when it ends, and a number that decides what is random in it. */
export async function main(name, work) {
  try {
    const { values } = parseArgs({ options: { dir: { type: 'string' }, seed: { type: 'string' } } })
    const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(values.seed)
    const folder = await mkdtemp(join(values.dir ?? tmpdir(), `pstream-${name}-`))
    const cleanUp = () => {
      for (const child of children) child.kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    }
    for (const signal of ['SIGINT', 'SIGTERM'])
      process.once(signal, () => {
        cleanUp()
        process.exit(1)
      })
    try {
      await work(folder, seed)
    } finally {
      cleanUp()
    }
  } catch (error) {
    process.stderr.write(`${name}: ${process.env.DEBUG ? error.stack : error.message}\n`)
    process.exitCode = 1
  }
}

/** A child process that does not outlive this one, and its end. */
export function own(child) {
  children.add(child)
  const ended = once(child, 'close').then(([code, signal]) => {
    children.delete(child)
    return { code, signal }
  })
  return { child, ended }
}

/** Starts a program that is told its task, and hands what it says to `onMessage`. */
export function start(program, task, onMessage = () => {}) {
  const child = fork(program, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  child.on('message', onMessage)
  child.send(task)
  return own(child)
}

/** Ends it as the system does when memory runs out: nothing of it runs any more. */
export async function kill({ child, ended }) {
  child.kill('SIGKILL')
  const { signal } = await ended
  if (signal !== 'SIGKILL') throw new Error('the child process ended by itself, before it was killed')
}
