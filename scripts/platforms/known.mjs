// What is not run on a system, or fails there, each with its reason. A test that fails without being listed here fails
// the run, and so does one that is listed and passes.

/** Test files about the repository: about what is not in the package. They run in `npm test`, on every system of CI. */
export const aboutTheRepository = {
  bundled: 'has a bundler, which is a native program, put the package into a file',
  binaries: 'looks at the binaries with the script that releases do it with',
  package: 'packs the tarballs anew, and has tools look at them',
  'api-reference': 'compares the documents with the comments in the sources',
  'diagnostics-table': 'compares the documents with the sources',
  'error-table': 'compares the documents with the sources',
  layers: 'reads the sources',
  'platform-verdict': 'tests what tests this',
  release: 'runs a script of the repository',
  snippets: 'compiles what the documents show',
  types: 'nothing of it runs: the compiler checks it',
  versions: 'compares the manifests',
  workflows: 'reads the workflows',
}

export const known = [
  {
    ...{ on: 'wine', file: 'examples', does: 'leave out' },
    tests: ['1', '2', 'undefined'].map(
      (seed) => `what is uploaded reaches the server once, whatever fails (seed ${seed})`,
    ),
    why: 'no socket can be connected under wine 8, so that the example tries for ever',
  },
]
