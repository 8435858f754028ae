// The directory by itself: versions, forgetting, bounds, expiry over an outage.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import {Directory, type Discovered, forgetAfterMs, forgetEmptyAfterMs, formationsMax} from '#proxy/directory.ts'
import {compilePattern} from '#shared/patterns.ts'

const endpoint = (service: string, id: string, expiresInMs?: number) => ({
  service,
  id,
  host: '10.0.0.1',
  ports: {'80': 8080},
  ...(expiresInMs === undefined ? {} : {expiresInMs}),
})
const answer = (formations: Discovered['formations'], routes?: Discovered['routes']): Discovered => ({
  formations,
  nextPollMs: 100,
  ...(routes === undefined ? {} : {routes}),
})
const newDirectory = (withRoutes = false): Directory => new Directory({compile: compilePattern, withRoutes})
const ids = (directory: Directory, formation: string, now: number): string[] => directory.use(formation, now).endpoints.map(({id}) => id)

test('only what changed is taken in; versions are held', () => {
  const directory = newDirectory()
  assert.deepEqual(directory.use('crm', 0), {loaded: false, endpoints: [], traffic: {}})
  const asked = directory.ask(0)
  assert.deepEqual(asked, {formations: {crm: 0}})
  assert.equal(directory.apply(asked, answer({crm: {version: 7, endpoints: [endpoint('users', 'a')]}}), 0), true)
  assert.deepEqual(directory.ask(1), {formations: {crm: 7}})
  assert.equal(directory.apply(directory.ask(1), answer({}), 1), false)
  assert.deepEqual(ids(directory, 'crm', 1), ['a'])
})

test('a formation asked for with version 0 and not answered has nobody in it', () => {
  const directory = newDirectory()
  directory.use('crm', 0)
  directory.apply(directory.ask(0), answer({}), 0)
  assert.deepEqual(directory.use('crm', 0), {loaded: true, endpoints: [], traffic: {}})
  assert.equal(directory.apply(directory.ask(1), answer({}), 1), false)
})

test('formations without requests are forgotten, empty ones sooner, named ones never', () => {
  const directory = newDirectory(true)
  const route = {name: 'r', domain: '*', path: '/', target: 'users.named.service'}
  directory.use('full', 0)
  directory.use('empty', 0)
  const asked = directory.ask(0)
  directory.apply(asked, answer({full: {version: 1, endpoints: [endpoint('users', 'a')]}}, {version: 1, routes: [route]}), 0)
  assert.deepEqual(Object.keys(directory.ask(forgetEmptyAfterMs).formations).toSorted(), ['empty', 'full', 'named'])
  assert.deepEqual(Object.keys(directory.ask(forgetEmptyAfterMs + 1).formations).toSorted(), ['full', 'named'])
  assert.deepEqual(Object.keys(directory.ask(forgetAfterMs + 1).formations), ['named'])
  directory.apply(directory.ask(forgetAfterMs + 2), answer({}, {version: 2, routes: []}), forgetAfterMs + 2)
  assert.deepEqual(Object.keys(directory.ask(forgetAfterMs * 3).formations), [])
})

test('the number of formations is bounded; empty ones make room first', () => {
  const directory = newDirectory()
  directory.use('full', 0)
  directory.apply(directory.ask(0), answer({full: {version: 1, endpoints: [endpoint('users', 'a')]}}), 0)
  for (let i = 0; i < formationsMax * 2; i++) directory.use(`random-${i}`, i)
  assert.equal(directory.formations.size, formationsMax)
  assert.deepEqual(ids(directory, 'full', formationsMax * 2), ['a'])
})

test('the clock of expiry stands still while the control plane is out of reach', () => {
  const directory = newDirectory()
  directory.use('crm', 0)
  directory.apply(directory.ask(0), answer({crm: {version: 1, endpoints: [endpoint('out', 'x', 1_000), endpoint('users', 'a')]}}), 0)
  assert.deepEqual(ids(directory, 'crm', 999), ['x', 'a'])
  assert.deepEqual(ids(directory, 'crm', 1_000), ['a'])
  directory.apply(directory.ask(500), answer({}), 500)
  directory.failed()
  assert.deepEqual(ids(directory, 'crm', 100_000), ['x', 'a'])
  directory.apply(directory.ask(100_000), answer({}), 100_000)
  assert.deepEqual(ids(directory, 'crm', 100_499), ['x', 'a'])
  assert.deepEqual(ids(directory, 'crm', 100_500), ['a'])
})

test('a snapshot restores what was known, and everything is asked for anew', () => {
  const directory = newDirectory(true)
  const route = {name: 'r', domain: '*', path: '/', target: 'users.crm.service'}
  const broken = {name: 'old', domain: '*', path: '/{', target: 'users.crm.service'}
  directory.apply(directory.ask(0), answer({}, {version: 3, routes: [route, broken]}), 0)
  directory.apply(directory.ask(1), answer({crm: {version: 9, endpoints: [endpoint('users', 'a'), endpoint('out', 'x', 50)]}}), 1)
  const snapshot = directory.snapshot(11)
  const restored = newDirectory(true)
  restored.restore(snapshot, 1_000)
  assert.equal(restored.loaded, true)
  assert.equal(restored.table.routes[0]?.name, 'r')
  assert.equal(restored.table.unreadable[0]?.route.name, 'old')
  assert.deepEqual(ids(restored, 'crm', 9_999), ['a', 'x'])
  assert.deepEqual(restored.ask(1_000), {formations: {crm: 0}, routes: 0})
  restored.apply({formations: {crm: 0}, routes: 0}, answer({}), 2_000)
  assert.deepEqual(ids(restored, 'crm', 2_000), [])
  assert.equal(restored.table.routes.length, 0)
})

test('what appears later is known to be new; what was there at first, or stays, is not', () => {
  const directory = newDirectory()
  directory.use('crm', 0)
  const since = () => Object.fromEntries(directory.use('crm', 9).endpoints.map(each => [each.id, each.since]))
  directory.apply(directory.ask(0), answer({crm: {version: 1, endpoints: [endpoint('users', 'a')]}}), 5)
  directory.apply(directory.ask(0), answer({crm: {version: 2, endpoints: [endpoint('users', 'a'), endpoint('users', 'b')]}}), 6)
  directory.apply(directory.ask(0), answer({crm: {version: 3, endpoints: [endpoint('users', 'b'), endpoint('users', 'a')]}}), 7)
  assert.deepEqual(since(), {a: undefined, b: 6})
  directory.apply(directory.ask(0), answer({crm: {version: 4, endpoints: [endpoint('users', 'b')]}}), 8)
  directory.apply(directory.ask(0), answer({crm: {version: 5, endpoints: [endpoint('users', 'b'), endpoint('users', 'a')]}}), 9)
  assert.deepEqual(since(), {b: 6, a: 9})
  assert.ok(!JSON.stringify(directory.snapshot(9)).includes('since'))
})
