// Hosts that are cut off, from the control plane or from router and proxy, for short or long, and unplugged: who still answers, what is replaced, and that
// a host that comes back ends what was given up before it begins anything else. The client asks all the time; what it did not get is counted.
import assert from 'node:assert/strict'
import {appendFileSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {after, before, describe, it} from 'node:test'
import {setTimeout as passing} from 'node:timers/promises'
import {type Listed, until} from '#test/platform/stage.ts'
import type {Asked} from './client.ts'
import {hostsMissing} from './network.ts'
import {HostedStage, type Load} from './stage.ts'

const hosts = ['h1', 'h2', 'h3']
const portRange = '20000:20099'
/** Well below a lease, and several times what an agent waits between two calls with something to tell. */
const shortMs = 10_000
/** A lease, and what follows it. */
const lostWithinMs = 100_000
/** For the router to learn of an unreachable instance and pass it over: a connect timeout of 3 s, and again after 2 s. */
const setAsideMs = 9_000
/**
 * A request that went out on a connection kept from before is waited for until the client gives up: it may be worked on. Connections are kept for 0.9 s
 * (`upstreamKeepAliveMs`), so none that is asked later fails.
 */
const keptMs = 1_500
const givenUpMs = 10_000
/** Connections that router and its workers keep to the instances of one host, with this load. */
const inFlightMax = 8

const server = `import {createServer} from 'node:http'
import {appendFileSync} from 'node:fs'
const {GILLIAM_EXECUTOR: executor, GILLIAM_SERVICE: service, GILLIAM_INSTANCE: instance, JOURNAL, STOP_MS, PORT, HOST} = process.env
const tell = what => appendFileSync(JOURNAL, JSON.stringify({what, executor, service, instance, pid: process.pid, at: Date.now()}) + '\\n')
tell('start')
createServer((request, response) => response.end(executor)).listen(Number(PORT), HOST)
process.once('SIGTERM', () => setTimeout(() => (tell('end'), process.exit(0)), Number(STOP_MS ?? 0)))
`
const each = 'script: exec node server.mjs, ports: [80], health: {http: /}, resources: {cpu: 0.05, memory: 128M}'
const manifest = (journal: string): string => `formation: shop
processes:
  web: {${each}, scale: 3, rank: -executor.same_service, env: {JOURNAL: ${journal}}}
  till: {${each}, scale: 3, rank: -executor.same_service, on_lost: keep, env: {JOURNAL: ${journal}}}
  site: {${each}, scale: 1, requirements: ['executor.zone == "h2"'], env: {JOURNAL: ${journal}, STOP_MS: "1500"}}
routes:
  - 'web.localhost/{rest:.*}: web.shop.service/{rest}'
  - 'till.localhost/{rest:.*}: till.shop.service/{rest}'
`

/** What an instance wrote down. */
interface Entry {
  readonly what: 'start' | 'end'
  readonly executor: string
  readonly service: string
  readonly instance: string
  readonly pid: number
  readonly at: number
}

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('hosts that are cut off', {skip: hostsMissing()}, () => {
  let hosted: HostedStage
  let journal: string
  let web: Load
  let till: Load

  const entries = (): readonly Entry[] =>
    readFileSync(journal, 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as Entry)
  const startedOf = (service: string, executor?: string): readonly Entry[] =>
    entries().filter(one => one.what === 'start' && one.service === service && (executor === undefined || one.executor === executor))
  const running = (service: string): Promise<readonly Listed[]> => hosted.stage.running('shop', service)
  const isAt = async (executor: string, state: string): Promise<boolean> => (await hosted.states()).get(executor) === state
  const announced = async (service: string): Promise<number> =>
    (await hosted.stage.items<{name: string}>(['registry', 'shop'])).filter(({name}) => name.startsWith(`${service}.`)).length

  const cutFromControlPlane = (name: string): void => {
    const {port} = new URL(hosted.stage.urls.api)
    const {address} = hosted.center
    hosted.executor(name).host.block(`OUTPUT -p tcp -d ${address} --dport ${port}`, `INPUT -p tcp -s ${address} --sport ${port}`)
  }
  const cutFromRouter = (name: string): void => {
    const {address} = hosted.center
    hosted.executor(name).host.block(`INPUT -p tcp -s ${address} --dport ${portRange}`, `OUTPUT -p tcp -d ${address} --sport ${portRange}`)
  }
  /** Asked since, and not answered with 200. */
  const failedSince = (at: number): readonly Asked[] => [...web.failed, ...till.failed].filter(asked => asked.at >= at)
  /** Nothing failed but what was on its way when a host went out of reach. */
  const assertOnlyInFlightFailed = async (at: number, told: (text: string) => void): Promise<void> => {
    await passing(Math.max(0, at + keptMs + givenUpMs - Date.now()))
    const slow = [...web.asked, ...till.asked].filter(one => one.at >= at && one.status === 200 && one.tookMs > 2_500)
    const count = [...web.asked, ...till.asked].filter(one => one.at >= at).length
    told(`${failedSince(at).length} of ${count} requests failed, ${slow.length} waited for a connect timeout`)
    assert.deepEqual(failedSince(at + keptMs), [])
    assert.ok(failedSince(at).length <= inFlightMax, JSON.stringify(failedSince(at)))
  }
  /** Who answered what was asked since. */
  const servedSince = (load: Load, at: number): ReadonlySet<string> =>
    new Set(load.asked.filter(asked => asked.at >= at && asked.status === 200).map(({text}) => text))

  before(async () => {
    hosted = await HostedStage.start()
    const project = join(hosted.stage.folder, 'shop')
    journal = join(project, '..', 'journal')
    appendFileSync(journal, '')
    mkdirSync(project)
    writeFileSync(join(project, 'server.mjs'), server)
    writeFileSync(join(project, 'gilliam.yml'), manifest(journal))
    for (const name of hosts) await hosted.addExecutor(name, {settings: {GILLIAM_PORT_RANGE: portRange.replace(':', '-')}})
    await hosted.stage.must(['deploy'], project)
    web = hosted.load('web.localhost', 50)
    till = hosted.load('till.localhost', 100)
    for (const load of [web, till]) await until('every host to answer', async () => servedSince(load, 0).size === hosts.length)
  })
  after(() => hosted?.close())

  it('from the control plane for less than a lease: nothing changes', async () => {
    const from = Date.now()
    const before = entries()
    cutFromControlPlane('h1')
    await passing(shortMs)
    hosted.executor('h1').host.unblock()
    assert.equal(await isAt('h1', 'ready'), true)
    assert.deepEqual(entries(), before)
    assert.deepEqual(servedSince(web, from), new Set(hosts))
    assert.deepEqual(failedSince(from), [])
  })

  it('from router and proxy, while the control plane hears from it: it is passed over', async t => {
    const before = entries()
    const from = Date.now()
    cutFromRouter('h3')
    await passing(setAsideMs)
    const asideAt = Date.now()
    await until('enough to be asked', async () => web.asked.filter(({at}) => at > asideAt).length > 40)
    assert.equal(servedSince(web, asideAt).has('h3'), false)
    assert.equal(await isAt('h3', 'ready'), true)
    hosted.executor('h3').host.unblock()
    await until('it to be asked again', async () => [web, till].every(load => servedSince(load, asideAt).has('h3')))
    await assertOnlyInFlightFailed(from, text => t.diagnostic(text))
    assert.deepEqual(entries(), before)
  })

  it('from the control plane for longer than a lease, another one unplugged: replaced or kept, and nothing of it twice when they are back', async t => {
    const kept = startedOf('till')
    const given = startedOf('web').filter(({executor}) => executor !== 'h3')
    const [site] = startedOf('site')
    assert.ok(site)
    const cutAt = Date.now()
    cutFromControlPlane('h2')
    await passing(shortMs / 2)
    const unpluggedAt = Date.now()
    hosted.executor('h1').host.unplug()
    const isAnew = (all: readonly Listed[]) => all.length === 3 && all.every(({executor}) => executor === 'h3')
    await until('what they ran to be made anew', async () => isAnew(await running('web')), lostWithinMs)
    t.diagnostic(`replaced ${Date.now() - cutAt} ms after the cut, ${Date.now() - unpluggedAt} ms after unplugging`)
    for (const name of ['h1', 'h2']) assert.equal(await isAt(name, 'disconnected'), true)
    for (const {pid} of given) assert.ok(isRunning(pid), 'nobody told it to stop')
    assert.ok(servedSince(till, Date.now() - 3_000).has('h2'), 'kept, and reached by the router')
    assert.deepEqual(
      failedSince(cutAt).filter(({at}) => at < unpluggedAt - keptMs),
      [],
    )

    const backAt = Date.now()
    hosted.executor('h2').host.unblock()
    hosted.executor('h1').host.plug()
    await until('what was given up to end', async () => {
      assert.ok((await announced('web')) <= 3)
      return given.every(({pid}) => !isRunning(pid))
    })
    await until('what only h2 may run to be announced', async () => (await announced('site')) === 1 && (await running('site')).length === 1)
    t.diagnostic(`as it should be ${Date.now() - backAt} ms after both were back`)
    const endedAt = entries().find(({what, instance}) => what === 'end' && instance === site.instance)?.at ?? Number.NaN
    const [anew, ...more] = startedOf('site').filter(({instance}) => instance !== site.instance)
    assert.equal(more.length, 0)
    assert.ok((anew?.at ?? 0) >= endedAt, 'the one that was given up ended before its successor began')
    for (const name of ['h1', 'h2']) await until(`${name} to be ready`, () => isAt(name, 'ready'))
    assert.deepEqual(startedOf('till'), kept)
    for (const {pid} of kept) assert.ok(isRunning(pid))
    assert.equal(await announced('web'), 3)
    const servesAt = Date.now()
    await until('what was kept to answer everywhere', async () => servedSince(till, servesAt).size === hosts.length)
    await assertOnlyInFlightFailed(unpluggedAt, text => t.diagnostic(text))
  })
})
