// The product by its own name and `exports`, as its users get it: resolved from the root, whose package it is.

import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

export async function importPackage() {
  const root = createRequire(new URL('../../package.json', import.meta.url))
  return import(pathToFileURL(root.resolve('pstream')))
}
