// Readers that check what they get.

import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Reads a stream live until it is closed: to be called again with the next one, as long as the checker is the same nothing
 * may be missing in between.
 */
export async function readOne(stream, checker) {
  for await (const record of stream.read({ from: checker.next, live: true })) checker.take(record)
}

/** The same in arrays. */
export async function readMany(stream, checker) {
  for await (const records of stream.readBatches({ from: checker.next, live: true }))
    for (const record of records) checker.take(record)
}

/** Reads slower than is written, until what it wants has been released: goes on with the oldest then. */
export async function readSlowly(stream, checker, state) {
  for (;;) {
    try {
      for await (const records of stream.readBatches({ from: checker.next, live: true })) {
        for (const record of records) {
          checker.take(record)
          await sleep(state.pauseMs)
        }
      }
      return
    } catch (error) {
      if (error.code !== 'PSTREAM_TRIMMED') throw error
      if (error.oldestSeq <= checker.next) throw error
      state.overtaken += 1
      checker.next = error.oldestSeq
    }
  }
}

/** A consumer with a cursor: begins where it has committed, whatever became of it in between. */
export async function consume(stream, checker, state) {
  const cursor = await stream.cursor('soak')
  try {
    // The commit that was under way when the stream was closed may be there or not.
    if (cursor.position !== state.committed && cursor.position !== state.asked)
      throw new Error(`${checker.who}: it is at ${cursor.position} instead of ${state.committed}`)
    checker.next = cursor.position
    for await (const record of cursor.read()) {
      checker.take(record)
      if (record.seq % state.every !== 0) continue
      state.asked = record.seq + 1
      await cursor.commit(record.seq)
      state.committed = state.asked
    }
  } finally {
    await cursor.close()
  }
}

/** Until `isThere`, or an error after half a minute. */
export async function reach(what, isThere) {
  const end = performance.now() + 30_000
  while (!isThere()) {
    if (performance.now() > end) throw new Error(`${what()} after 30 s`)
    await sleep(10)
  }
}
