// Copying a file into a sequence of block files, finding out how much of it is there, and reading it back.

import { Run } from './blocks.mjs'

/**
 * Stores the blocks from `first` on. `current` is the block file that `first` goes into, if it exists already.
 * `onStored` is told how many blocks are durable, and may return a promise to wait for.
 */
export async function copy({ source, sequence, layout, first = 0, current, onStored }) {
  const run = new Run(layout)
  let file = current
  for (let number = first; number < layout.blocks; ) {
    const block = number % layout.blocksPerFile
    file ??= await sequence.alloc()
    const count = Math.min(layout.blocksPerStore, layout.blocksPerFile - block, layout.blocks - number)
    await readFully(source, run.bytes(number, count), number * layout.bodySize)
    run.seal(number, count)
    // Durable, heads and bodies, when this returns.
    await file.store(block, run.pairs(count))
    number += count
    if (block + count === layout.blocksPerFile) {
      await file.close()
      file = undefined
    }
    await onStored?.(number)
  }
  await file?.close()
}

async function readFully(source, bytes, position) {
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await source.read(bytes, done, bytes.length - done, position + done)
    if (bytesRead === 0) throw new Error('the file has become shorter while it was read')
    done += bytesRead
  }
}

/**
 * How many blocks are whole, by their checksums, from the first one up to the first that is not; and the file, open, in
 * which to go on.
 */
export async function recover({ sequence, layout }) {
  const run = new Run(layout)
  let [whole, files, current] = [0, 0, undefined]
  for await (const file of sequence.retrieve()) {
    files++
    const found = await wholeBlocks(file, run, whole, layout)
    whole += found
    if (found < layout.blocksPerFile && current === undefined) current = file
    else await file.close()
  }
  return { whole, files, current }
}

async function wholeBlocks(file, run, first, layout) {
  for (let block = 0; block < file.blockCount; ) {
    const count = Math.min(layout.blocksPerStore, file.blockCount - block)
    await file.load(block, run.pairs(count))
    const whole = run.whole(first + block, count)
    block += whole
    if (whole < count) return block
  }
  return file.blockCount
}

/** Reads the copy front to back and hands out its bytes, piece by piece. */
export async function readBack({ sequence, layout, onBytes }) {
  const run = new Run(layout)
  let number = 0
  for await (const file of sequence.retrieve()) {
    for (let block = 0; block < file.blockCount && number < layout.blocks; ) {
      const count = Math.min(layout.blocksPerStore, file.blockCount - block, layout.blocks - number)
      await file.load(block, run.pairs(count))
      const whole = run.whole(number, count)
      if (whole < count) throw new Error(`block ${number + whole} of the copy is not what was stored`)
      onBytes(run.bytes(number, count))
      block += count
      number += count
    }
    await file.close()
  }
  if (number < layout.blocks) throw new Error(`the copy ends after ${number} of ${layout.blocks} blocks`)
}
