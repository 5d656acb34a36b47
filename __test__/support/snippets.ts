import { readFileSync } from 'node:fs'

/** A piece of TypeScript in a document. */
export interface Snippet {
  /** The document and the number of the line. */
  readonly name: string
  readonly code: string
  /** What `<!-- setup: … -->` above it says: code that has to come first. */
  readonly setup: string
  /** What `<!-- run: … -->` above it says: the test that runs it. By default all of them are run as they are. */
  readonly test: string | undefined
}

/** All that are in a document, whose path is relative to the repository. */
export function snippetsIn(document: string): Snippet[] {
  const text = readFileSync(new URL(`../../${document}`, import.meta.url), 'utf8').replaceAll('\r\n', '\n')
  const pattern = /(?:^<!-- (setup|run): (.*?) -->\n)?^```ts\n(.*?)^```$/gms
  return [...text.matchAll(pattern)].map(({ index, 1: kind, 2: note = '', 3: code = '' }) => ({
    name: `${document}:${text.slice(0, index).split('\n').length}`,
    code,
    setup: kind === 'setup' ? note : '',
    test: kind === 'run' ? note : undefined,
  }))
}
