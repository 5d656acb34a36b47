// What the records of the soak are: the bytes of a record follow from its stream and its seq, so that whoever reads one, in
// whatever process, knows what it must be.

/** Also the largest record, in bytes. */
const LARGEST = 2 * 1024 * 1024
const OFFSETS = 64 * 1024

function mix(value) {
  let mixed = value >>> 0
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
  return (mixed ^ (mixed >>> 15)) >>> 0
}

let pool
/** Bytes that all records are cut from, the same in every process. */
function bytes() {
  if (pool !== undefined) return pool
  pool = Buffer.allocUnsafeSlow(LARGEST + OFFSETS)
  for (let offset = 0; offset < pool.length; offset += 4) pool.writeUInt32LE(mix(offset + 1), offset)
  return pool
}

/** From 1 byte to 2 MiB, as many of 200 bytes as of 8 KiB; one of a hundred is large, and goes past the page cache. */
function mixed(random) {
  const part = random % 1000
  const power = part < 700 ? 9 : part < 900 ? 13 : part < 990 ? 17 : 21
  return 1 + (mix(random) % 2 ** power)
}

const sizes = {
  mixed,
  small: (random) => 1 + (mix(random) % 300),
}

/** The records of a stream: `profile` is `'mixed'` or `'small'`. */
export class Records {
  constructor(profile, salt) {
    this.sizeOf = sizes[profile]
    this.salt = salt
  }

  /** Not a copy: not to be changed. */
  of(seq) {
    const random = mix(mix(this.salt) ^ mix(seq))
    const size = this.sizeOf(random)
    const offset = mix(random + 1) % OFFSETS
    return bytes().subarray(offset, offset + size)
  }
}

/** Sees that a reader gets every record once, in order, and as it was appended. */
export class Checker {
  bytes = 0

  constructor(who, records, next = 0) {
    this.who = who
    this.records = records
    /** The seq that must come next. */
    this.next = next
  }

  take({ seq, data }) {
    if (seq !== this.next) throw new Error(`${this.who}: record ${seq} came where ${this.next} was to come`)
    if (Buffer.compare(data, this.records.of(seq)) !== 0)
      throw new Error(`${this.who}: record ${seq} is not what was appended: ${data.length} bytes`)
    this.next = seq + 1
    this.bytes += data.length
  }
}
