import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

/** A writer in another process, that does what it is told. */
export interface Writer {
  readonly process: ChildProcess
  /** Resolves when that is done: to the next seq. */
  tell(command: string): Promise<number>
  kill(): Promise<void>
}

/** `inside`: a command that runs it somewhere else. */
export async function writer(
  root: string,
  durability: 'durable' | 'written' = 'durable',
  inside: string[] = [],
): Promise<Writer> {
  const script = fileURLToPath(new URL('../fixtures/stream-told.mjs', import.meta.url))
  const [command = process.execPath, ...args] = [...inside, process.execPath, script, root, durability]
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const line = async () => String((await lines.next()).value)
  const first = await line()
  if (first !== 'ready') throw new Error(`the writer says: ${first}`)
  return {
    process: child,
    async tell(command) {
      child.stdin.write(`${command}\n`)
      const [ok, next] = (await line()).split(' ')
      if (ok !== 'ok') throw new Error(`the writer says: ${ok}`)
      return Number(next)
    },
    async kill() {
      const closed = once(child, 'close')
      child.kill('SIGKILL')
      await closed
    },
  }
}
