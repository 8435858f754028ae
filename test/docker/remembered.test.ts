// What names of images have meant is written by many at once, and is one whole file always. Needs no engine.
import assert from 'node:assert/strict'
import {mkdtempSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {test} from 'node:test'
import {EngineApi} from '#agent/runtime/docker/api.ts'
import {Images} from '#agent/runtime/docker/images.ts'

test('images that are resolved at the same time are remembered one after the other', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'gilliam-images-'))
  t.after(() => rmSync(folder, {recursive: true, force: true}))
  const path = join(folder, 'images.json')
  const errors: unknown[] = []
  const api = new EngineApi(join(folder, 'no.sock'))
  t.after(() => api.close())
  const images = new Images({
    api,
    path,
    now: Date.now,
    onError: error => errors.push(error),
    fetchArchive: () => Promise.reject(new Error('no archive')),
  })
  await Promise.all(Array.from({length: 20}, () => images.forget(new Set())))
  assert.deepEqual(errors, [])
  assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), {})
})
