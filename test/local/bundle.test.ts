// Bundles: made when they are missing or what went into them changed, and not otherwise; a source that can not be bundled is named.
import assert from 'node:assert/strict'
import {execFileSync} from 'node:child_process'
import {mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {test} from 'node:test'
import {ensureBundle, type Place, readBundle} from '#local/bundle.ts'

const makePlace = (t: {after: (f: () => void) => void}): Place => {
  const root = mkdtempSync(join(tmpdir(), 'gilliam-bundle-'))
  t.after(() => rmSync(root, {recursive: true, force: true}))
  mkdirSync(join(root, 'agent'))
  writeFileSync(join(root, 'package-lock.json'), '{}')
  writeFileSync(join(root, 'agent/main.ts'), `import {word} from './word.ts'\nconst said: string = word\nconsole.log(said)\n`)
  writeFileSync(join(root, 'agent/word.ts'), `export const word = 'one'\n`)
  return {root, dist: join(root, 'dist')}
}

const run = (file: string): string => execFileSync(process.execPath, [file], {encoding: 'utf8'}).trim()

test('a bundle is made once, and again when a source or a dependency changes', async t => {
  const place = makePlace(t)
  const file = await ensureBundle('agent', place)
  assert.equal(run(file), 'one')
  const {ino} = statSync(file)
  const made = readFileSync(file, 'utf8')
  const program = await readBundle(file)
  utimesSync(join(place.root, 'agent/word.ts'), new Date(), new Date())
  await ensureBundle('agent', place)
  assert.equal(statSync(file).ino, ino, 'same content, same bundle')
  assert.ok(
    statSync(file).mtimeMs >= statSync(join(place.root, 'agent/main.ts')).mtimeMs,
    'newer than its sources for those who look at times',
  )
  writeFileSync(join(place.root, 'agent/word.ts'), `export const word = 'two'\n`)
  await ensureBundle('agent', place)
  assert.equal(run(file), 'two')
  writeFileSync(join(place.root, 'agent/word.ts'), `export const word = 'one'\n`)
  writeFileSync(join(place.root, 'package-lock.json'), '{"other":1}')
  await ensureBundle('agent', place)
  assert.notEqual(readFileSync(file, 'utf8'), made, 'made anew')
  assert.deepEqual(await readBundle(file), program, 'the same program is the same bytes')
})

test('a damaged bundle is made anew', async t => {
  const place = makePlace(t)
  const file = await ensureBundle('agent', place)
  writeFileSync(file, readFileSync(file, 'utf8').slice(0, -20))
  assert.equal(run(await ensureBundle('agent', place)), 'one')
})

test('what can not be bundled is named, and the old bundle stays', async t => {
  const place = makePlace(t)
  const file = await ensureBundle('agent', place)
  writeFileSync(join(place.root, 'agent/word.ts'), 'export const = 1\n')
  await assert.rejects(ensureBundle('agent', place), /agent\/main\.ts can not be bundled: agent\/word\.ts:1: /)
  assert.equal(run(file), 'one')
  writeFileSync(join(place.root, 'not-a-folder'), '')
  await assert.rejects(
    ensureBundle('agent', {...place, dist: join(place.root, 'not-a-folder')}),
    /agent\.mjs can not be made|can not be bundled/,
  )
})
