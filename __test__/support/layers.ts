// The rules between the layers, as a function from sources to complaints, so that the rules themselves can be tested.
//
// ts → crates/node → crates/core → core's io → core's sys, and never back.

export interface Source {
  /** Relative to the repository, with slashes. */
  readonly path: string
  readonly text: string
}

/** The code without comments and string literals, line by line where it was. */
function codeOf(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '))
    .replace(/\/\/[^\n]*/g, '')
    .replace(/b?"(?:[^"\\]|\\[\s\S])*"/g, '""')
}

/** Without the unit tests that a file ends with. */
function withoutTests(text: string): string {
  return text.split(/^#\[cfg\(test\)\]\nmod tests \{/m)[0] ?? text
}

type Rule = (source: Source) => string[]

const within =
  (prefix: string | RegExp, rule: Rule): Rule =>
  (source) =>
    (typeof prefix === 'string' ? source.path.startsWith(prefix) : prefix.test(source.path)) ? rule(source) : []

const forbids =
  (pattern: RegExp, complaint: string, ...except: RegExp[]): Rule =>
  ({ path, text }) =>
    !except.some((allowed) => allowed.test(path)) && pattern.test(codeOf(withoutTests(text))) ? [complaint] : []

const OS_SWITCH = /\bcfg(?:!|_attr)?\s*\([^\]{};]*?\b(?:target_os|target_family|target_env|unix|windows)\b/

/** Every block and implementation has its reason right above it. */
const reasoned: Rule = ({ text }) => {
  const lines = text.split('\n')
  return lines.flatMap((line, index) => {
    if (!/\bunsafe\s*(?:\{|impl\b)/.test(codeOf(line))) return []
    let above = index - 1
    while (above >= 0 && /^\s*(?:\/\/|#\[)/.test(lines[above] ?? '') && !/SAFETY:/.test(lines[above] ?? '')) above -= 1
    const said = /SAFETY:/.test(lines[above] ?? '') || /SAFETY:/.test(lines.slice(Math.max(0, index - 1), index).join())
    return said ? [] : [`line ${index + 1}: unsafe without its SAFETY reason`]
  })
}

/** The packages under the headings of dependencies that ship. */
function dependenciesOf(manifest: string): string[] {
  const sections = manifest.split(/^\[/m).filter((section) => /^(?:target\..*\.)?dependencies\]/.test(section))
  return sections.flatMap((section) =>
    [...section.matchAll(/^([\w-]+)(?:\.workspace)?\s*=/gm)].map(([, name]) => name ?? ''),
  )
}

const dependsOnNone =
  (forbidden: RegExp): Rule =>
  ({ text }) =>
    dependenciesOf(text)
      .filter((name) => forbidden.test(name))
      .map((name) => `must not depend on ${name}`)

const dependsOnlyOn =
  (...allowed: string[]): Rule =>
  ({ text }) =>
    dependenciesOf(text)
      .filter((name) => !allowed.includes(name))
      .map((name) => `must not depend on ${name}`)

const ARENA = /^crates\/node\/src\/arena\.rs$/
const SYS = /^crates\/core\/src\/sys\//
const OS = /^crates\/core\/src\/io\/os\.rs$/

const rules: Rule[] = [
  // TypeScript: one door to the native code.
  within(/^ts\//, ({ path, text }) =>
    path !== 'ts/native.ts' && /binding\.d?\.?cts|binding\.cjs|\.node['"`]|createRequire/.test(text)
      ? ['only ts/native.ts may know the binding']
      : [],
  ),
  within(/^ts\//, ({ text }) =>
    /from ['"](?!\.{1,2}\/|node:)/.test(text) ? ['the package has no dependency but Node.js itself'] : [],
  ),
  // The binding.
  within('crates/node/Cargo.toml', dependsOnlyOn('pstream-core', 'napi', 'napi-derive')),
  within(/^crates\/node\/src\//, forbids(/\bstd::(?:fs|net|process)\b|\blibc\b/, 'the binding does no IO of its own')),
  within(/^crates\/node\/src\//, forbids(/\bcreate_external|from_external|napi_create_external/, 'no external memory')),
  // The engine.
  within('crates/core/Cargo.toml', dependsOnNone(/^(?:napi|pstream)/)),
  within(/^crates\/core\/src\//, forbids(/\bnapi\b|\bpstream_node\b/, 'the engine knows nothing of Node.js')),
  within(/^crates\/core\/src\//, forbids(/\bcrate::sys\b/, 'only io/os.rs may use sys', OS, SYS)),
  within(/^crates\/core\/src\//, forbids(/\bstd::fs\b/, 'std::fs belongs to io/os.rs and sys', OS, SYS)),
  within(SYS, forbids(/\bcrate::(?!io\b|sys\b)\w/, 'sys uses nothing of the engine but the types of io')),
  within(/^crates\/core\/src\/io\//, forbids(/\bcrate::(?!io\b|sys\b)\w/, 'io lies below the rest of the engine')),
  within(/^crates\/core\/src\/file\//, forbids(/\bcrate::sequence\b/, 'files know nothing of sequences')),
  // Both.
  within(/^crates\/(?:core|node)\/src\//, forbids(/\bunsafe\b/, 'unsafe belongs to sys and arena.rs', SYS, ARENA)),
  within(/^crates\/(?:core|node)\/src\//, forbids(OS_SWITCH, 'a switch between systems belongs to sys', SYS)),
  within(/^crates\/(?:core|node)\/src\//, reasoned),
]

/** What is against the rules, file by file. */
export function complaints(sources: readonly Source[]): string[] {
  // A file of unit tests may do what it likes.
  const shipped = sources.filter(({ path }) => !/\/tests(?:\.rs$|\/)/.test(path))
  return shipped.flatMap((source) => rules.flatMap((rule) => rule(source)).map((text) => `${source.path}: ${text}`))
}
