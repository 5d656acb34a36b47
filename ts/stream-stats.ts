/** What a stream has done since it was opened, and what it is at. */
export interface StreamStats {
  /** Records that were acknowledged. */
  appends: number
  /** Their bytes. */
  bytes: number
  /** Commits that have succeeded: writes and syncs of what waited together. */
  commits: number
  /** Syncs of the stream's files: one a durable commit, and those of files that enter use, watermarks and the seal. */
  syncs: number
  /** What counts against `maxPendingBytes`: the bytes of the records that wait, but 32 at least for each. */
  pendingBytes: number
  /** Records that wait to be committed. */
  pendingAppends: number
  /** Files of the stream that are in use. */
  files: number
  /**
   * What the stream takes on disk: the bytes of its data files, whose space is reserved whole, also of those that were made
   * ahead of time. Without what is in `<name>.meta`.
   */
  bytesOnDisk: number
  /** The part of it in front of the end of the stream: records with all that they are wrapped in. */
  bytesUsed: number
  /**
   * How long commits took so far, in milliseconds: from taking what waits until it is as durable as asked. The maximum is
   * exact, the others are too large by 1/16 at most. All are 0 before the first commit.
   */
  commitLatency: { p50: number; p99: number; max: number }
}
