// Chores of an agent: what it is asked to fetch or to remove, beside its instances.
import assert from 'node:assert/strict'
import {existsSync, mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {test} from 'node:test'
import {pino} from 'pino'
import {Chores} from '#agent/chores.ts'
import type {FetchChore, RemovalChore} from '#shared/domain/chore.ts'
import {assignment, machine, slugOf} from './fixtures.ts'
import {until} from './wait.ts'

const fetch = (release: number): FetchChore => ({kind: 'fetch', id: `fetch.crm.${release}`, formation: 'crm', release, images: []})
const log = pino({level: 'silent'})

test('an agent fetches a slug before an instance of it is assigned, and removes the data of a volume that nobody has', async t => {
  const {plane, start, home} = await machine(t)
  await start()
  const {blob, slug} = await slugOf({'hello.txt': 'hello\n'})
  plane.slugs.set(slug.sha256, blob)
  const owning = {service: '_db', kind: 'auxiliary', volume: {path: '/data', id: 'first'}, ports: []} as const
  const script = 'exec sleep 1000'
  plane.assign(assignment('first', {...owning, script}))
  await plane.reported('first', ({state}) => state === 'running')
  const folder = join(home, 'volumes/crm._db.first')
  writeFileSync(join(folder, 'rows'), 'Dune')
  const other = join(home, 'container-volumes/crm._db.other')
  mkdirSync(other)
  const removal = (volume: string): RemovalChore => ({
    kind: 'remove-volume',
    id: `remove.crm._db.${volume}`,
    formation: 'crm',
    service: '_db',
    volume,
  })
  plane.chores = [{...fetch(2), slug}, removal('first'), removal('other'), {...removal('first'), id: 'remove.odd', volume: '../..'}]
  plane.assign(assignment('first', {...owning, script}))
  const over = (id: string) => plane.choreReports.find(each => each.id === id && each.state !== 'doing')
  await until(() => plane.chores.every(({id}) => over(id) !== undefined))
  assert.equal(over('fetch.crm.2')?.state, 'done')
  assert.ok(existsSync(join(home, 'slugs', slug.sha256)))
  assert.equal(over('remove.crm._db.other')?.state, 'done')
  assert.ok(!existsSync(other))
  assert.deepEqual([over('remove.crm._db.first')?.state, over('remove.crm._db.first')?.text], ['failed', 'crm._db.first has it'])
  assert.deepEqual([over('remove.odd')?.state, over('remove.odd')?.text], ['failed', 'it is no name of a volume'])
  assert.ok(existsSync(join(folder, 'rows')))
  plane.assign(assignment('web', {script, slug, ports: [], release: 2}))
  await plane.reported('web', ({state}) => state === 'running')
  assert.equal(plane.downloads, 1)
})

test('chores go one after the other, are called off when nobody asks any more, and keep what they fetched for a while', async () => {
  let now = 0
  const began: number[] = []
  const chores = new Chores({
    fetch: ({release}, signal) =>
      new Promise((resolve, reject) => {
        began.push(release)
        if (release > 1) return resolve()
        signal.addEventListener('abort', () => reject(signal.reason))
      }),
    removeVolume: () => assert.fail(),
    onNews: () => undefined,
    now: () => now,
    log,
  })
  chores.take([fetch(1), fetch(2)])
  await until(() => began.length > 0)
  assert.deepEqual(began, [1])
  assert.deepEqual(chores.due(10), [{id: 'fetch.crm.1', state: 'doing'}])
  assert.ok(chores.keeps('crm/1') && chores.keeps('crm/2') && !chores.keeps('crm/3'))
  chores.take([fetch(2)])
  await until(() => chores.due(10).length === 2)
  const due = chores.due(10)
  assert.deepEqual(due, [
    {id: 'fetch.crm.1', state: 'failed', text: 'called off'},
    {id: 'fetch.crm.2', state: 'done'},
  ])
  chores.acknowledge(due)
  assert.deepEqual(chores.due(10), [])
  now = 30_000
  chores.take([fetch(1)])
  assert.deepEqual(began, [1, 2], 'too soon after it failed')
  now = 3_600_000
  assert.ok(!chores.keeps('crm/2'))
  chores.take([fetch(1)])
  await until(() => began.length === 3)
  // The formation was made anew, and has another release 2.
  chores.take([fetch(2)])
  await until(() => began.length === 4)
  chores.close()
})
