// Copies of slugs: small and large ones alike, with modes and links, and nothing that is not there.
import assert from 'node:assert/strict'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {test} from 'node:test'
import {copyTree} from '#agent/slugs/copy.ts'

for (const [size, files] of [
  ['small', 3],
  ['large', 300],
] as const)
  test(`a ${size} slug is copied as it is`, async t => {
    const folder = mkdtempSync(join(tmpdir(), 'gilliam-copy-'))
    t.after(() => rmSync(folder, {recursive: true, force: true}))
    const [from, to] = [join(folder, 'from'), join(folder, 'to')]
    for (const made of [join(from, 'a/deep/er'), join(from, 'empty'), join(folder, 'outside'), to]) mkdirSync(made, {recursive: true})
    for (let at = 0; at < files; at++) writeFileSync(join(from, 'a/deep/er', `file-${at}`), `content ${at}`)
    writeFileSync(join(from, 'run.sh'), '#!/bin/sh\n')
    writeFileSync(join(folder, 'outside/secret'), '')
    chmodSync(join(from, 'run.sh'), 0o750)
    symlinkSync('a/deep', join(from, 'link'))
    symlinkSync('../outside', join(from, 'elsewhere'))
    await copyTree(from, to)
    const paths = (of: string) => readdirSync(of, {recursive: true}).sort()
    assert.deepEqual(paths(to), paths(from))
    assert.equal(readFileSync(join(to, 'a/deep/er', `file-${files - 1}`), 'utf8'), `content ${files - 1}`)
    assert.equal(lstatSync(join(to, 'run.sh')).mode & 0o777, 0o750)
    assert.equal(readlinkSync(join(to, 'link')), 'a/deep')
    assert.ok(lstatSync(join(to, 'elsewhere')).isSymbolicLink())
    writeFileSync(join(to, 'run.sh'), 'changed')
    assert.equal(readFileSync(join(from, 'run.sh'), 'utf8'), '#!/bin/sh\n')
  })

test('a slug that can not be copied says so', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'gilliam-copy-'))
  t.after(() => rmSync(folder, {recursive: true, force: true}))
  await assert.rejects(copyTree(join(folder, 'none'), folder), /ENOENT/)
})
