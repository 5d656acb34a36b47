#!/usr/bin/env node
// Following a stream of another process: one process writes lines, another one prints them as they become durable; the
// writer is killed and started again, and the follower never misses a line, nor shows one twice. What is worth copying is in
// tail/follow.mjs.

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { kill, main, own, start } from './support/program.mjs'
import { between, random } from './support/random.mjs'
import { counted, dim, fact, green, say } from './tour/terminal.mjs'

const NAME = 'lines'
const WRITERS = 4
const WRITER = new URL('./tail/writer.mjs', import.meta.url)
const FOLLOW = fileURLToPath(new URL('./tail/follow.mjs', import.meta.url))
/** How long the follower may be behind. */
const PATIENCE_MS = 10_000

await main('tail', async (folder, seed) => {
  say(`One process writes lines, another prints them; the writer is killed ${counted(WRITERS, 'time')}.`)
  say(dim(`--seed ${seed}\n`))
  const next = random(seed)
  const durable = []
  let follower
  for (let round = 1; round <= WRITERS; round += 1) {
    const writer = writeInto(folder, durable)
    await writer.opened
    follower ??= follow(folder)
    await writer.until(durable.length + between(next, 10, 60))
    await kill(writer)
    await follower.until(durable.length)
    fact(`writer ${round}`, `killed after ${counted(durable.length, 'line')}; shown: ${follower.lines.at(-1)}`)
  }
  await follower.stop()
  check(follower.lines, durable)
})

/** What it says is durable is put into `durable`, by seq. */
function writeInto(folder, durable) {
  const waiting = []
  let opened
  const isOpened = new Promise((resolve) => {
    opened = resolve
  })
  const { child, ended } = start(WRITER, { folder, name: NAME }, (message) => {
    if (message.opened !== undefined) opened()
    else durable[message.seq] = message.line
    for (const { count, resolve } of waiting) if (durable.length >= count) resolve()
  })
  const until = (count) => Promise.race([ended, new Promise((resolve) => waiting.push({ count, resolve }))])
  return { child, ended, opened: Promise.race([ended, isOpened]), until }
}

function follow(folder) {
  const child = spawn(process.execPath, [FOLLOW, folder, NAME], { stdio: ['ignore', 'pipe', 'inherit'] })
  const { ended } = own(child)
  const lines = []
  let onLine = () => {}
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    onLine()
  })
  /** Until it has shown so many lines. */
  const until = (count) =>
    new Promise((resolve, reject) => {
      const late = () => reject(new Error(`the follower has shown ${lines.length} of ${count} lines`))
      const timer = setTimeout(late, PATIENCE_MS)
      onLine = () => {
        if (lines.length < count) return
        clearTimeout(timer)
        resolve()
      }
      onLine()
    })
  const stop = async () => {
    child.kill('SIGTERM')
    const { code } = await ended
    // Windows knows no signals that can be listened for.
    if (code !== 0 && process.platform !== 'win32') throw new Error(`the follower failed (code ${code})`)
  }
  return { lines, until, stop }
}

/** Lines that were durable and not told any more when their writer died are shown, too: but never a hole, or one twice. */
function check(lines, durable) {
  const shown = lines.map((line) => /^(\d+) \S+ (.*)$/.exec(line))
  for (const [index, [, seq, text]] of shown.entries()) {
    if (Number(seq) !== index) throw new Error(`line ${seq} was shown where ${index} was to come`)
    if (durable[index] !== undefined && durable[index] !== text) throw new Error(`line ${seq} is another: ${text}`)
  }
  if (shown.length < durable.length) throw new Error(`${durable.length - shown.length} lines were not shown`)
  fact('in the end', green(`${counted(shown.length, 'line')}, each once and in order`))
}
