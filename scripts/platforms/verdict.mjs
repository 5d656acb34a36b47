// Judges what became of the tests by the list of known limits: a pure function, so that it can be tested.
//
// Wrong is what fails and is not listed, what is listed and passes, and what is skipped without a reason.

/**
 * An entry of the list: `on`, the name or tag of systems; `file`; `tests`, names or patterns (all of the file without
 * it); what they do there, `fails` or `skips`, or `leave out` (names alone) if they are not to be run; and `why`.
 */
export const applies = (entry, { name, tags }) => [entry.on].flat().some((on) => on === name || tags.includes(on))

const names = ({ tests }, name) =>
  tests === undefined || tests.some((test) => (test instanceof RegExp ? test.test(name) : test === name))

/** The files that are not to be run on a system, with the reason. */
export function leftOut(system, known) {
  const whole = known.filter((entry) => entry.does === 'leave out' && !entry.tests && applies(entry, system))
  return new Map(whole.map(({ file, why }) => [file, why]))
}

/** The tests of a file that are not to be run on a system. */
export function omittedTests(system, known, file) {
  const some = known.filter((entry) => entry.does === 'leave out' && entry.file === file && applies(entry, system))
  return some.flatMap(({ tests = [] }) => tests)
}

export function judge(system, outcomes, known) {
  const listed = known.filter((entry) => (entry.does !== 'leave out' || entry.tests) && applies(entry, system))
  const used = new Set()
  const verdict = { passed: 0, failed: [], known: [], skipped: [], wrong: [] }
  for (const { file, tests, reasons } of outcomes)
    for (const { name, state, text } of tests) {
      const entry = listed.find((candidate) => candidate.file === file && names(candidate, name))
      const label = `${file}: ${name}`
      if (entry !== undefined) used.add(entry)
      if (state === 'pass') {
        if (entry?.does === 'fails') verdict.wrong.push(`${label}: passes, but is listed: ${entry.why}`)
        verdict.passed += 1
      } else if (state === 'skip') {
        const why = entry !== undefined && entry.does !== 'fails' ? entry.why : text || reasons.join('; ')
        if (!why) verdict.wrong.push(`${label}: skipped without a reason`)
        verdict.skipped.push({ label, why })
      } else if (entry?.does === 'fails') {
        verdict.known.push({ label, why: entry.why })
      } else {
        verdict.failed.push({ label, text })
      }
    }
  // Of a file that was not run nothing can be said.
  const ran = new Set(outcomes.map(({ file }) => file))
  for (const entry of listed)
    if (ran.has(entry.file) && !used.has(entry))
      verdict.wrong.push(`${entry.file}: ${entry.tests?.join(', ')}: listed, but there is no such test`)
  return { ...verdict, ok: verdict.failed.length === 0 && verdict.wrong.length === 0 }
}
