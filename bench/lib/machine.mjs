// What the figures were measured on, without names and paths.

import { statfsSync } from 'node:fs'
import os from 'node:os'

// man 2 statfs
const fileSystems = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x2fc12fc1, 'zfs'],
  [0xf2f52010, 'f2fs'],
  [0x01021994, 'tmpfs'],
  [0x858458f6, 'ramfs'],
  [0x794c7630, 'overlay'],
  [0x6969, 'nfs'],
  [0x65735546, 'fuse'],
])

export function machine(directory) {
  const type = statfsSync(directory).type
  const fileSystem = fileSystems.get(type) ?? `0x${type.toString(16)}`
  return {
    system: `${os.type()} ${os.release().split('-')[0]}`,
    architecture: process.arch,
    cores: os.availableParallelism(),
    cpu: os.cpus()[0]?.model ?? 'unknown',
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    fileSystem,
    inMemory: fileSystem === 'tmpfs' || fileSystem === 'ramfs',
    node: process.version,
  }
}
