// Every case, in the order of the table.

import { cases as load } from './load.mjs'
import { cases as store } from './store.mjs'

export const cases = [...store, ...load]
