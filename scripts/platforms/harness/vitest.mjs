// Stands in for `vitest` where that cannot start, because the tools it transforms files with are native programs of
// other platforms: vitest's own runner and its own `expect`, which are plain JavaScript, put together without the rest.

import {
  ASYMMETRIC_MATCHERS_OBJECT,
  addCustomEqualityTesters,
  ChaiStyleAssertions,
  chai,
  customMatchers,
  GLOBAL_EXPECT,
  getState,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
  setState,
} from '@vitest/expect'

export { afterAll, afterEach, beforeAll, beforeEach, describe, onTestFinished, test } from '@vitest/runner'
export { expectTypeOf } from 'expect-type'

for (const plugin of [JestExtend, JestChaiExpect, ChaiStyleAssertions, JestAsymmetricMatchers]) chai.use(plugin)

export const expect = Object.assign(
  (value, message) => {
    setState({ assertionCalls: getState(expect).assertionCalls + 1 }, expect)
    return chai.expect(value, message)
  },
  chai.expect,
  globalThis[ASYMMETRIC_MATCHERS_OBJECT],
)
setState({ assertionCalls: 0, isExpectingAssertions: false, expectedAssertionsNumber: null }, expect)
globalThis[GLOBAL_EXPECT] = expect
expect.extend = (matchers) => chai.expect.extend(expect, matchers)
expect.extend(customMatchers)
expect.addEqualityTesters = addCustomEqualityTesters

/** Asks again until the assertion that follows holds, or so much time has passed. */
expect.poll = (ask, { timeout = 1000, interval = 50 } = {}) =>
  new Proxy(
    {},
    {
      get:
        (_, matcher) =>
        async (...args) => {
          const deadline = performance.now() + timeout
          for (;;) {
            try {
              return expect(await ask())[matcher](...args)
            } catch (error) {
              if (performance.now() > deadline) throw error
            }
            await new Promise((resolve) => setTimeout(resolve, interval))
          }
        },
    },
  )
