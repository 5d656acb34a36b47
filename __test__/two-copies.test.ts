// Two copies of the package in one process, as a dependency and a dependency's dependency may bring them: each works, and
// the same stream is refused to the second one.

import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { node, project } from './support/projects.js'

/** A project with a copy, and in it a dependency with a copy of its own. */
function twoCopies(): string {
  const [root, other] = [project({ binary: true }), project({ binary: true })]
  const dependency = join(root, 'node_modules', 'dependency')
  mkdirSync(dependency)
  renameSync(join(other, 'node_modules'), join(dependency, 'node_modules'))
  writeFileSync(join(dependency, 'package.json'), JSON.stringify({ name: 'dependency', exports: './index.mjs' }))
  writeFileSync(join(dependency, 'index.mjs'), `export * from 'pstream'`)
  return root
}

function run(script: string) {
  const root = twoCopies()
  const head = `import * as mine from 'pstream'\nimport * as theirs from 'dependency'\n`
  const { stdout, stderr, status, signal } = node(root, ['--input-type=module', '-e', head + script])
  expect({ stderr, status, signal }).toEqual({ stderr: '', status: 0, signal: null })
  return JSON.parse(stdout)
}

test('both work, each on streams of its own', () => {
  expect(
    run(`
      const copies = [mine, theirs].map(({ PersistentStream }) => PersistentStream)
      const streams = await Promise.all(copies.map((copy, index) => copy.open('data', { name: 'n' + index, encoding: 'utf8' })))
      await Promise.all(streams.map((stream, index) => stream.appendMany(['one of ' + index, 'two of ' + index])))
      const read = []
      for (const stream of streams) for await (const { data } of stream.read()) read.push(data)
      for (const stream of streams) await stream.close()
      console.log(JSON.stringify([mine.PersistentStream === theirs.PersistentStream, read]))`),
  ).toEqual([false, ['one of 0', 'two of 0', 'one of 1', 'two of 1']])
})

test('a stream that one has open is refused to the other, and is whole afterwards', () => {
  const [codes, holder, records] = run(`
    const options = { name: 'log', encoding: 'utf8' }
    const stream = await mine.PersistentStream.open('data', options)
    await stream.append('mine')
    const attempts = [
      () => theirs.PersistentStream.open('data', options),
      () => theirs.PersistentStream.destroy('data', options),
      () => stream.cursor('c').then((own) => theirs.PersistentStream.openReadOnly('data', options)
        .then((reader) => reader.cursor('c').finally(() => reader.close()))),
    ]
    const errors = []
    for (const attempt of attempts) errors.push(await attempt().then(() => ({}), (error) => error))
    await stream.append('mine again')
    await stream.close()
    const next = await theirs.PersistentStream.open('data', options)
    await next.append('theirs')
    const records = []
    for await (const { data } of next.read()) records.push(data)
    await next.close()
    const isOwn = errors.every((error) => error instanceof theirs.LockedError && !(error instanceof mine.LockedError))
    console.log(JSON.stringify([[isOwn, ...errors.map(({ code }) => code)], errors[0].holder?.pid === process.pid, records]))`)
  expect(codes).toEqual([true, 'PSTREAM_LOCKED', 'PSTREAM_LOCKED', 'PSTREAM_LOCKED'])
  expect(holder).toBe(true)
  expect(records).toEqual(['mine', 'mine again', 'theirs'])
})

test('what waits in both is committed when the process ends', () => {
  const root = twoCopies()
  const script = `import * as mine from 'pstream'\nimport * as theirs from 'dependency'
    for (const [name, { PersistentStream }] of Object.entries({ mine, theirs })) {
      const stream = await PersistentStream.open('data', { name })
      for (let index = 0; index < 1000; index++) stream.write('record')
    }
    process.exit()`
  expect(node(root, ['--input-type=module', '-e', script])).toMatchObject({ status: 0, stderr: '' })
  const count = `import { PersistentStream } from 'pstream'
    const counts = []
    for (const name of ['mine', 'theirs']) {
      const stream = await PersistentStream.open('data', { name })
      counts.push(stream.durableSeq)
      await stream.close()
    }
    console.log(JSON.stringify(counts))`
  expect(JSON.parse(node(root, ['--input-type=module', '-e', count]).stdout)).toEqual([1000, 1000])
})
