// Two agents on one machine, and a guest: instances spread, leave an executor that drains, that is told to go, or for a better one without a failed
// request, stop at a deadline, and are replaced when their executor is lost.
// Also what comes from outside the platform: announcements and their end.
import assert from 'node:assert/strict'
import {rmSync, writeFileSync} from 'node:fs'
import {createServer, type Server} from 'node:http'
import type {AddressInfo} from 'node:net'
import {after, before, describe, it} from 'node:test'
import {deployEcho, underLoad} from './echo.ts'
import {Guest} from './guest.ts'
import {type Listed, Stage, until} from './stage.ts'

const agents = 2
const second = 'local-2'
/** Longer than an executor's lease and what follows it. */
const lostWithinMs = 120_000

interface Shift {
  readonly from: string
  readonly to: string
}

const placesOf = (instances: readonly Listed[]): string[] => instances.map(({name, executor}) => `${name} on ${executor}`).sort()

describe('platform: executors and outsiders', () => {
  const stage = new Stage()
  const guest = new Guest(stage)

  const plan = async (): Promise<readonly Shift[]> => stage.items<Shift>(['rebalance', '-f', 'echo', '--plan'])
  const running = (): Promise<readonly Listed[]> => stage.running('echo', 'web')
  const on = async (executor: string): Promise<readonly Listed[]> => (await running()).filter(one => one.executor === executor)
  const stateOf = async (executor: string): Promise<string | undefined> =>
    (await stage.items<{id: string; state: string}>(['executors'])).find(one => one.id === executor)?.state

  before(async () => {
    await stage.start('--agents', String(agents))
    await deployEcho(stage, 4)
    await until('the route to serve', async () => (await stage.route('echo.localhost', '/')).status === 200)
  })
  after(() => stage.close())

  it('spreads instances over both', async () => {
    assert.equal((await on('local')).length + (await on(second)).length, 4)
    assert.ok((await on(second)).length >= 2, 'the default rank prefers the executor with fewer instances')
  })

  it('moves everything off a draining executor, without a failed request', async () => {
    const failures = await underLoad(stage, async () => {
      await stage.must(['executor', 'drain', second, '--no-wait'])
      await until('all to run on the other', async () => (await on('local')).length === 4 && (await on(second)).length === 0)
    })
    assert.deepEqual(failures, [])
    await stage.must(['executor', 'drain', second, '--undo'])
    await until('it to be ready again', async () => (await stateOf(second)) === 'ready')
  })

  it('rebalances when it is told to, as planned, without a failed request', async () => {
    await guest.start()
    await until('the guest to join', async () => (await stateOf('guest')) === 'ready')
    const before = placesOf(await running())
    const planned = await plan()
    assert.ok(planned.some(({to}) => to === 'guest'), JSON.stringify(planned))
    assert.deepEqual(placesOf(await running()), before, 'a plan changes nothing')
    const failures = await underLoad(stage, () => stage.must(['rebalance', '-f', 'echo', '--yes']))
    assert.deepEqual(failures, [])
    await until('the old ones to have gone', async () => (await running()).length === 4)
    assert.ok((await on('guest')).length > 0 && (await on(second)).length > 0)
    assert.deepEqual(await plan(), [], 'nothing is left that would be better off elsewhere')
  })

  it('gives a cordoned executor nothing new, and lets it keep what it has', async () => {
    const before = placesOf(await on('guest'))
    assert.ok(before.length > 0)
    await stage.must(['executor', 'cordon', 'guest'])
    await stage.must(['scale', 'web=7', '-f', 'echo'])
    await until('seven to run', async () => (await running()).length === 7)
    assert.deepEqual(placesOf(await on('guest')), before)
    await stage.must(['scale', 'web=4', '-f', 'echo'])
    await until('four to run', async () => (await running()).length === 4)
    await stage.must(['executor', 'cordon', 'guest', '--undo'])
    assert.equal(await stateOf('guest'), 'ready')
  })

  it('stops at a deadline what could not be replaced before, and makes it anew where it may', async () => {
    const others = ['local', second]
    await stage.must(['scale', 'web=6', '-f', 'echo'])
    await until('six to run, some of them there', async () => (await running()).length === 6 && (await on('guest')).length > 0)
    const left = placesOf(await on('guest'))
    for (const other of others) await stage.must(['executor', 'cordon', other])
    const failures = await underLoad(stage, async () => {
      await stage.must(['executor', 'drain', 'guest', '--deadline', '4s', '--no-wait'])
      assert.deepEqual(placesOf(await on('guest')), left, 'there is nowhere else')
      await until('nothing to be left there', async () => (await stateOf('guest')) === 'drained' && guest.instances().length === 0)
      assert.equal((await running()).length, 6 - left.length)
      for (const other of others) await stage.must(['executor', 'cordon', other, '--undo'])
      await until('six to run again', async () => (await running()).length === 6)
    })
    assert.deepEqual(failures, [])
    await stage.must(['executor', 'drain', 'guest', '--undo'])
  })

  it('drains an executor by itself while its machine is told to go, and takes it back when that is over', async () => {
    await stage.must(['scale', 'web=8', '-f', 'echo'])
    await until('eight to run, some of them there', async () => (await running()).length === 8 && (await on('guest')).length > 0)
    const failures = await underLoad(stage, async () => {
      writeFileSync(guest.noticeFile, '')
      await until('it to be empty', async () => (await stateOf('guest')) === 'drained' && (await running()).length === 8)
    })
    assert.deepEqual(failures, [])
    assert.match((await stage.must(['executors'])).stdout, /guest .*somebody told its agent that it leaves/)
    rmSync(guest.noticeFile)
    await until('it to be taken back', async () => (await stateOf('guest')) === 'ready')
    await stage.must(['scale', 'web=9', '-f', 'echo'])
    await until('something to run there', async () => (await on('guest')).length > 0)
  })

  it('replaces what ran on a lost executor, and never runs what was given up again', async () => {
    const all = (await running()).length
    const lost = (await on(second)).map(one => one.name)
    assert.ok(lost.length > 0)
    await guest.kill()
    const inSecond = (text: string): boolean => text.includes(`/agents/${second}`)
    const agent = stage.processes().filter(one => /agent\.mjs/.test(one.command) && inSecond(one.environment))
    assert.equal(agent.length, 1)
    for (const {pid} of agent) process.kill(pid, 'SIGKILL')
    // It may hold the router or the proxy, which are kept: then it is waited for, and not lost.
    await until('it not to be heard from', async () => ['lost', 'disconnected'].includes((await stateOf(second)) ?? ''), lostWithinMs)
    await until('all to run on the other', async () => (await on('local')).length === all, lostWithinMs)
    assert.ok(
      lost.every(name => stage.instancePids('echo', name).length > 0),
      'without its agent nobody could stop them',
    )
    await stage.start('--agents', String(agents))
    await until('it to be back', async () => (await stateOf(second)) === 'ready')
    await until('its old instances to be stopped', async () => lost.every(name => stage.instancePids('echo', name).length === 0))
    assert.equal((await running()).length, all)
  })

  it('forgets an executor that is gone for good; when it comes back it joins anew and ends what it had', async () => {
    assert.ok(guest.instances().length > 0)
    await until('it to be silent for long enough', async () => (await stage.gilliam(['executor', 'rm', 'guest'])).code === 0, lostWithinMs)
    assert.equal(await stateOf('guest'), undefined)
    await guest.start()
    await until('it to be back, with nothing', async () => (await stateOf('guest')) === 'ready' && guest.instances().length === 0)
  })

  it('lets a service from outside be called while it announces itself, and no longer', async () => {
    const outsider: Server = createServer((_, response) => response.end('from outside')).listen(0, '127.0.0.1')
    try {
      await until('it to listen', async () => outsider.listening)
      const {port} = outsider.address() as AddressInfo
      const data = JSON.stringify({host: '127.0.0.1', port})
      await stage.must(['registry', 'announce', 'echo', 'billing.one', '--json-data', data, '--ttl', '2'])
      const {text} = await until('the proxy to know it', async () => {
        const answer = await stage.through('http://billing.echo.service/')
        return answer.status === 200 && answer
      })
      assert.equal(text, 'from outside')
      await until('its entry to end', async () => (await stage.through('http://billing.echo.service/')).status === 503)
    } finally {
      outsider.close()
    }
  })
})
