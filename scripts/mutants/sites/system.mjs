// What Linux is asked for.

import { linux, system } from './places.mjs'

export const sites = [
  { what: 'flag for a synced write', in: linux, text: 'libc::RWF_DSYNC', instead: '0', tests: system },
  {
    what: 'fdatasync',
    in: linux,
    text: 'check(unsafe { libc::fdatasync(file.as_raw_fd()) })',
    instead: 'Ok(())',
    tests: system,
  },
  {
    what: 'fsync of a file',
    in: linux,
    text: '-> Result<()> {\n    plain_sync(file)',
    instead: '-> Result<()> {\n    Ok(())',
    tests: system,
  },
  { what: 'fsync of a folder', in: linux, text: 'plain_sync(&open_dir(path)?)', instead: 'Ok(())', tests: system },
  { what: 'flag against replacing', in: linux, text: 'libc::RENAME_NOREPLACE', instead: '0', tests: system },
  { what: 'reservation', in: linux, text: 'fallocate(file, 0, &(0..len))', instead: 'Ok(())', tests: system },
]
