// Every case, in the order of the table.

import { cases as consumers } from './consumers.mjs'
import { cases as load } from './load.mjs'
import { cases as store } from './store.mjs'
import { growth, cases as stream } from './stream.mjs'

/** Those of a full run. */
export const cases = [...stream, ...consumers, ...store, ...load]

/** And those that are asked for. */
export { growth }

export const all = [...cases, ...growth]
