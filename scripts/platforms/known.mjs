// What is not run on a system, or fails there, each with its reason. A test that fails without being listed here fails
// the run, and so does one that is listed and passes.

/** Test files about the repository: about what is not in the package. They run in `npm test`, on every system of CI. */
export const aboutTheRepository = {
  asar: 'has the archive of an app made of the checkout',
  bundled: 'has a bundler, which is a native program, put the package into a file',
  binaries: 'looks at the binaries with the script that releases do it with',
  'package-registry': 'packs them, too, and installs them with npm from a registry of its own',
  package: 'packs the tarballs anew, and has tools look at them',
  'api-reference': 'compares the documents with the comments in the sources',
  'diagnostics-table': 'compares the documents with the sources',
  'electron-main': 'runs the example for Electron, which is not in the package',
  'electron-page': 'shows the page of that example in a browser',
  'electron-queue': 'imports the logic of that example',
  'error-table': 'compares the documents with the sources',
  'external-buffers': 'is `npm run test:electron` in short, which has all of the suite watched',
  figures: 'compares the README with the results of the benchmarks',
  layers: 'reads the sources',
  'platform-verdict': 'tests what tests this',
  'platforms-short': 'is this, in short',
  release: 'runs a script of the repository',
  snippets: 'compiles what the documents show',
  types: 'nothing of it runs: the compiler checks it',
  versions: 'compares the manifests',
  workflows: 'reads the workflows',
}

const SEEDS = ['1', '2', 'undefined']

const STRACE = 'strace sees the calls of qemu, which has no pwritev2, and lets others fail than the test means'

export const known = [
  {
    ...{
      on: 'qemu',
      file: 'stream-exit',
      tests: ['a disk that hangs holds the end up for two seconds'],
      does: 'leave out',
    },
    why: STRACE,
  },
  {
    ...{ on: 'qemu', file: 'stream-exit', does: 'leave out' },
    tests: ['a worker is terminated in the midst of copying: whole records, and all or none of those together'],
    why: 'the milliseconds that it waits are too few for an emulated worker to have appended anything',
  },
  {
    ...{ on: 'qemu', file: 'stream-live-cost', does: 'leave out' },
    tests: ['a read that waits takes four KiB of objects at most, and eight with everything; more from Node.js 22 on'],
    why: 'the memory that a process is said to take does not change under qemu',
  },
  {
    ...{ on: 'qemu', file: 'diagnostics', does: 'leave out', why: STRACE },
    tests: [
      'pstream:failure and pstream:recovery, of a commit',
      'pstream:failure, of a sync in the background; without a flush the close tells of it',
      'nobody watches: a warning, once',
      'records that nobody waits for are lost: told, or a warning; and the flush rejects',
    ],
  },
  {
    ...{ on: 'qemu', file: 'stream-cursor-commit', does: 'leave out', why: STRACE },
    tests: [
      'a failed write is told, and the next one counts',
      'a record that a failed sync may have taken back is not committed',
    ],
  },
  {
    ...{ on: 'qemu', file: 'sync-failure', does: 'leave out', why: STRACE },
    tests: ['of a store', 'no space: the same store may be tried again'],
  },
  {
    ...{
      on: 'qemu',
      file: 'read-only',
      tests: ['a reader that waits wakes up at most five times a second'],
      does: 'leave out',
    },
    why: 'the wake-ups that are counted are mostly those of qemu',
  },
  {
    ...{ on: 'qemu', file: 'examples', does: 'leave out' },
    why: 'three minutes of many processes that start slowly; the tests of streams do the same with fewer',
  },
  { on: 'qemu', file: 'soak', does: 'leave out', why: 'its bounds are for a machine that is not emulated' },
  {
    ...{ on: 'wine', file: 'soak', does: 'leave out' },
    why: 'wine shows nothing on the pipe from which the test reads what has grown; by itself, its output in a file, it is flat',
  },
  {
    ...{ on: 'wine', file: 'examples', does: 'leave out' },
    tests: SEEDS.map((seed) => `what is uploaded reaches the server once, whatever fails (seed ${seed})`),
    why: 'no socket can be connected under wine 8, so that the example tries for ever',
  },
  {
    ...{ on: 'wine', file: 'examples', does: 'leave out' },
    tests: SEEDS.map((seed) => `the map is made anew from its log after each kill (seed ${seed})`),
    why: 'under wine 8 nobody is told that the pipe of a killed child has ended, for which the example waits',
  },
  {
    ...{ on: 'wine', file: 'examples', does: 'leave out' },
    tests: ['1', 'undefined'].map((seed) => `a stream is followed through the deaths of its writers (seed ${seed})`),
    why: 'Windows has no boot id: what a killed writer committed last is seen when the next one writes, later than the example waits',
  },
  {
    ...{ on: 'wine', file: 'stream-input', tests: ['what lies in the way'], does: 'fails' },
    why: 'wine 8 has no symbolic links, and does not say so',
  },
]
