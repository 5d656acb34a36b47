// The platforms that have a prebuilt binary: what each is called by Rust and by npm, and what its binary must be.

/**
 * `build` is what a Linux machine builds it as, if that is another target: Microsoft's linker and libraries are to be
 * had on Windows alone, where releases are built; those of LLVM serve to run the same code under wine.
 */
export const targets = [
  { platform: 'linux-x64-gnu', rust: 'x86_64-unknown-linux-gnu', glibc: '2.17' },
  { platform: 'linux-arm64-gnu', rust: 'aarch64-unknown-linux-gnu', glibc: '2.17' },
  { platform: 'linux-x64-musl', rust: 'x86_64-unknown-linux-musl' },
  { platform: 'linux-arm64-musl', rust: 'aarch64-unknown-linux-musl' },
  { platform: 'darwin-x64', rust: 'x86_64-apple-darwin', macos: '11.0' },
  { platform: 'darwin-arm64', rust: 'aarch64-apple-darwin', macos: '11.0' },
  { platform: 'win32-x64-msvc', rust: 'x86_64-pc-windows-msvc', build: 'x86_64-pc-windows-gnullvm' },
  { platform: 'win32-arm64-msvc', rust: 'aarch64-pc-windows-msvc', build: 'aarch64-pc-windows-gnullvm' },
].map((target) => {
  const [os, cpu, libc] = target.platform.split('-')
  return { ...target, os, cpu, libc, file: `pstream.${target.platform}.node`, name: `pstream-${target.platform}` }
})

/** Those of the names, or all; throws at a name that is none. */
export function chosen(names) {
  const unknown = names.find((name) => !targets.some(({ platform }) => platform === name))
  if (unknown === undefined) return names.length === 0 ? targets : targets.filter((one) => names.includes(one.platform))
  throw new Error(`no platform '${unknown}': ${targets.map(({ platform }) => platform).join(', ')}`)
}
