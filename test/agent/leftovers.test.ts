// One budget over everything that an agent keeps for nobody: real slugs and logs of instances, and what is said to be an image.
import assert from 'node:assert/strict'
import {existsSync, mkdirSync, utimesSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {type TestContext, test} from 'node:test'
import {pino} from 'pino'
import {endedFolders} from '#agent/cleanup.ts'
import {keepWithin, type Leftover} from '#agent/leftovers.ts'
import {Slugs} from '#agent/slugs/slugs.ts'
import {type Tidying, tidyUp} from '#agent/tidy.ts'
import {temporaryFolder} from './fixtures.ts'

const megabyte = 1_048_576

/** A folder with a megabyte in it, last used `at` seconds after the epoch. */
const folder = (parent: string, name: string, at: number): string => {
  const path = join(parent, name)
  mkdirSync(path)
  writeFileSync(join(path, 'out.log'), Buffer.alloc(megabyte))
  utimesSync(path, at, at)
  return path
}

const setUp = (t: TestContext, unused: Leftover[], unusedBytesMax: number) => {
  const home = temporaryFolder(t)
  const [instances, slugs] = [join(home, 'instances'), join(home, 'slugs')]
  for (const each of [instances, slugs]) mkdirSync(each)
  const tidying = {
    parts: {
      agent: {records: new Map([['crm.users.live', {assignment: {slug: {sha256: 'used', bytes: 1}}}]])},
      slugs: new Slugs({directory: slugs, locate: () => assert.fail()}),
      chores: {keeps: () => false},
    },
    settings: {home, unusedBytesMax},
    layout: {instances},
    world: {unused: async () => unused, log: pino({level: 'silent'})},
  }
  return {instances, slugs, tidy: () => tidyUp(tidying as unknown as Tidying)}
}

test('of images, slugs and logs together the longest unused go, and nothing that is used', async t => {
  const gone: string[] = []
  const image = (what: string, at: number): Leftover => ({
    what,
    bytes: megabyte,
    usedAt: at * 1_000,
    remove: async () => gone.push(what) > 0,
  })
  const {instances, slugs, tidy} = setUp(t, [image('old', 1), image('new', 9)], 3.5 * megabyte)
  const live = folder(instances, 'crm.users.live', 0)
  const [longOver, justOver] = [folder(instances, 'crm.users.a', 2), folder(instances, 'crm.users.b', 7)]
  const [used, oldSlug, newSlug] = [folder(slugs, 'used', 0), folder(slugs, 'one', 3), folder(slugs, 'two', 8)]
  await tidy()
  assert.deepEqual(gone, ['old'])
  for (const path of [longOver, oldSlug]) assert.ok(!existsSync(path), path)
  for (const path of [live, used, justOver, newSlug]) assert.ok(existsSync(path), path)
})

test('what somebody begins to use meanwhile stays, and one that can not be removed does not keep the others', async t => {
  const home = temporaryFolder(t)
  const slug = folder(home, 'one', 1)
  const slugs = new Slugs({directory: home, locate: () => assert.fail()})
  const leftovers = await slugs.unused(new Map())
  await slugs.get({sha256: 'one', bytes: 1}, AbortSignal.timeout(1_000))
  const errors: string[] = []
  const stuck: Leftover = {what: 'stuck', bytes: 1, usedAt: 0, remove: () => Promise.reject(new Error('no'))}
  const last: Leftover = {what: 'last', bytes: 1, usedAt: 9_999, remove: async () => true}
  assert.deepEqual(await keepWithin([...leftovers, stuck, last], 0, (_, what) => errors.push(what)), ['last'])
  assert.deepEqual(errors, ['stuck can not be removed'])
  assert.ok(existsSync(slug))
  const again = new Set<string>()
  const [over] = await endedFolders(home, key => again.has(key))
  again.add('one')
  assert.equal(await over?.remove(), false, 'an instance of that key is here again')
})
