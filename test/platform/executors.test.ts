// Two agents on one machine, and a guest: instances spread, leave a draining executor without a failed request, and are replaced when their executor is
// lost; one that is gone for good is forgotten.
// Also what comes from outside the platform: announcements and their end.
import assert from 'node:assert/strict'
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

describe('platform: executors and outsiders', () => {
  const stage = new Stage()
  const guest = new Guest(stage)

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
    // What still stops counts for the rank, too.
    const listed = () => stage.items<Listed>(['ps', '-f', 'echo'])
    await until('what it had to be stopped', async () => (await listed()).every(({executor}) => executor !== second))
    await stage.must(['executor', 'drain', second, '--undo'])
    await until('it to be ready again', async () => (await stateOf(second)) === 'ready')
  })

  it('replaces what ran on a lost executor, and never runs what was given up again', async () => {
    await guest.start()
    await until('a guest to join', async () => (await stateOf('guest')) === 'ready')
    await stage.must(['scale', 'web=8', '-f', 'echo'])
    await until('eight to run', async () => (await running()).length === 8)
    const all = 8
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
