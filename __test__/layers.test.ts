// The folder tree is the architecture, and its arrows go one way.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { complaints, type Source } from './support/layers.js'

const root = fileURLToPath(new URL('..', import.meta.url))

function sourcesIn(folder: string): Source[] {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.(?:ts|rs|toml)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path: path.slice(root.length).replaceAll('\\', '/'), text: readFileSync(path, 'utf8') }))
}

test('the repository keeps the rules', () => {
  const sources = ['ts', 'crates/node', 'crates/core'].flatMap(sourcesIn)
  expect(sources.length).toBeGreaterThan(40)
  expect(sources.map(({ path }) => path)).toContain('crates/core/src/io/os.rs')
  expect(complaints(sources)).toEqual([])
})

test.each([
  ['ts/block-file.ts', "import type * as Binding from '../dist/binding.d.cts'"],
  ['ts/block-file.ts', "createRequire(import.meta.url)('./pstream.linux-x64-gnu.node')"],
  ['ts/index.ts', "import { x } from 'left-pad'"],
  ['crates/node/Cargo.toml', '[dependencies]\npstream-core.workspace = true\nlibc.workspace = true\n'],
  ['crates/node/Cargo.toml', '[target.\'cfg(unix)\'.dependencies]\nnix = "1"\n'],
  ['crates/node/src/file.rs', 'fn f() { std::fs::read("x"); }'],
  ['crates/node/src/file.rs', 'let b = unsafe { ArrayBuffer::from_external(env, p, n, h, f) };'],
  ['crates/core/Cargo.toml', '[dependencies]\nnapi = "3"\n'],
  ['crates/core/src/file/mod.rs', 'use crate::sys;'],
  ['crates/core/src/file/mod.rs', 'use std::fs::File;'],
  ['crates/core/src/file/mod.rs', 'use crate::sequence::FileSequence;'],
  ['crates/core/src/sys/linux.rs', 'use crate::error::Error;'],
  ['crates/core/src/io/mod.rs', 'use crate::file::BlockFile;'],
  ['crates/core/src/file/mod.rs', '// SAFETY: none\nunsafe { f() }'],
  ['crates/core/src/file/mod.rs', '#[cfg(target_os = "linux")]\nfn f() {}'],
  ['crates/core/src/file/mod.rs', '#[cfg(all(unix, not(test)))]\nfn f() {}'],
  ['crates/core/src/file/mod.rs', 'if cfg!(windows) {}'],
  ['crates/core/src/sys/linux.rs', 'fn f() {\n    unsafe { g() }\n}'],
  ['crates/node/src/arena.rs', '// Sound.\nunsafe impl Send for Lease {}'],
])('a violation is noticed in %s: %s', (path, text) => {
  expect(complaints([{ path, text }])).not.toEqual([])
})

test.each([
  ['ts/index.ts', "import { join } from 'node:path'\nimport { x } from './errors.js'"],
  ['crates/core/src/file/mod.rs', '// Nothing of std::fs or crate::sys, and nothing unsafe.\nlet text = "unsafe { }";'],
  ['crates/core/src/file/mod.rs', '#[cfg(test)]\nmod tests {\n    use std::fs;\n}'],
  ['crates/core/src/sys/linux.rs', '    // SAFETY: no memory\n    // is involved.\n    unsafe { g() }'],
  ['crates/node/src/arena.rs', '// SAFETY: nobody else has it.\nunsafe impl Send for Lease {}'],
  [
    'crates/node/Cargo.toml',
    '[dependencies]\nnapi.workspace = true\n\n[build-dependencies]\nnapi-build.workspace = true',
  ],
])('what is allowed is not complained of in %s: %s', (path, text) => {
  expect(complaints([{ path, text }])).toEqual([])
})
