// The tour's own format, the smallest that can be recovered: each block begins with a head of 16 bytes, which says how
// many bytes of the file follow, and lets a reader tell a whole block from a torn or an empty one.
//
// A block file stores and loads pairs of buffers, a head and a body for each block. So the heads live in one small
// buffer, the file's bytes in one large one, without gaps, and neither is copied to get them on disk side by side.

import { crc32 } from 'node:zlib'

const HEAD_SIZE = 16
const MAGIC = 0x72756f74 // 'tour'

/** How a file of `size` bytes is cut: blocks of 64 KiB, or 4 KiB for a small one, in five files or more. */
export function layoutFor(size) {
  const blockShift = size <= 2 ** 20 ? 12 : 16
  const bodySize = 2 ** blockShift - HEAD_SIZE
  const blocks = Math.ceil(size / bodySize)
  // Files of 64 MiB at most; more only for a source so large that it would need too many of them.
  const blocksPerFile = Math.max(Math.min(Math.ceil(blocks / 5), 1024), Math.ceil(blocks / 8192))
  // So much goes into one call: a thirtieth of it all, so that there is a half way, and no more than 8 MiB.
  const blocksPerStore = Math.max(1, Math.min(Math.floor(blocks / 30), 128))
  return { size, blockShift, bodySize, blocks, blocksPerFile, blocksPerStore }
}

/** Memory for a run of blocks. */
export class Run {
  #layout
  #heads
  #bodies

  constructor(layout) {
    this.#layout = layout
    this.#heads = Buffer.alloc(layout.blocksPerStore * HEAD_SIZE)
    this.#bodies = Buffer.alloc(layout.blocksPerStore * layout.bodySize)
  }

  #head(i) {
    return this.#heads.subarray(i * HEAD_SIZE, (i + 1) * HEAD_SIZE)
  }

  #body(i, length = this.#layout.bodySize) {
    const at = i * this.#layout.bodySize
    return this.#bodies.subarray(at, at + length)
  }

  /** The bytes of the file in `count` blocks from `number` on: the last block of all holds what is left. */
  bytes(number, count) {
    const { bodySize, size } = this.#layout
    return this.#bodies.subarray(0, Math.min(count * bodySize, size - number * bodySize))
  }

  /** A head and a body for each of `count` blocks, as `load` and `store` take them. */
  pairs(count) {
    return Array.from({ length: count }, (_, i) => [this.#head(i), this.#body(i)]).flat()
  }

  /** Fills in the heads of `count` blocks from `number` on, whose bodies are there. */
  seal(number, count) {
    const length = this.bytes(number, count).length
    this.#bodies.fill(0, length, count * this.#layout.bodySize)
    for (let i = 0; i < count; i++) {
      const head = this.#head(i)
      const bodyLength = Math.min(this.#layout.bodySize, length - i * this.#layout.bodySize)
      head.writeUInt32LE(MAGIC, 0)
      head.writeUInt32LE(number + i, 4)
      head.writeUInt32LE(bodyLength, 8)
      head.writeUInt32LE(checksum(head, this.#body(i, bodyLength)), 12)
    }
  }

  /** How many of `count` blocks from `number` on are whole, up to the first one that is not. */
  whole(number, count) {
    for (let i = 0; i < count; i++) {
      const head = this.#head(i)
      const bodyLength = head.readUInt32LE(8)
      const isWhole =
        head.readUInt32LE(0) === MAGIC &&
        head.readUInt32LE(4) === number + i &&
        bodyLength <= this.#layout.bodySize &&
        head.readUInt32LE(12) === checksum(head, this.#body(i, bodyLength))
      if (!isWhole) return i
    }
    return count
  }
}

/** Over number, length and body. */
function checksum(head, body) {
  return crc32(body, crc32(head.subarray(4, 12)))
}
