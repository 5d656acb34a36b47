// Where mutants are looked for, the tests that must see them, and what stands for a call that did nothing.

export const crash = ['--test', 'crash']
export const system = ['--test', 'syscalls', '--test', 'os_io', '--test', 'os_file']
export const engine = ['crates/core/src/file', 'crates/core/src/sequence']
export const stream = ['crates/core/src/stream']
export const format = ['crates/core/src/format']
export const reading = ['crates/core/src/stream/read']
export const cursor = ['crates/core/src/stream/cursor']
export const log = ['--test', 'stream']
export const reader = ['--test', 'reader']
export const cursors = ['--test', 'stream', 'cursor']
export const bytes = ['--lib', '--test', 'stream']
export const linux = ['crates/core/src/sys/linux.rs', 'crates/core/src/sys/unix.rs']
export const io = 'Ok::<(), std::io::Error>(())'
export const own = 'Ok::<(), crate::error::Error>(())'
