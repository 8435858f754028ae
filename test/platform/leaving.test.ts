// Executors that are left, or come late, under load: rebalancing, cordon, deadlines and notices, with real agents and the real command line.
import assert from 'node:assert/strict'
import {rmSync, writeFileSync} from 'node:fs'
import {after, before, describe, it} from 'node:test'
import {deployEcho, underLoad} from './echo.ts'
import {Guest} from './guest.ts'
import {type Listed, Stage, until} from './stage.ts'

interface Shift {
  readonly from: string
  readonly to: string
}

const placesOf = (instances: readonly Listed[]): string[] => instances.map(({name, executor}) => `${name} on ${executor}`).sort()

describe('platform: leaving an executor', () => {
  const stage = new Stage()
  const guest = new Guest(stage)

  const plan = async (): Promise<readonly Shift[]> => stage.items<Shift>(['rebalance', '-f', 'echo', '--plan'])
  const running = (): Promise<readonly Listed[]> => stage.running('echo', 'web')
  const on = async (executor: string): Promise<readonly Listed[]> => (await running()).filter(one => one.executor === executor)
  const stateOf = async (executor: string): Promise<string | undefined> =>
    (await stage.items<{id: string; state: string}>(['executors'])).find(one => one.id === executor)?.state

  before(async () => {
    await stage.start()
    await deployEcho(stage, 6)
    // What was stopped a moment ago is still listed.
    await stage.must(['scale', 'web=4', '-f', 'echo'])
    await until(
      'four to run, and the route to serve',
      async () => (await running()).length === 4 && (await stage.route('echo.localhost', '/')).status === 200,
    )
  })
  after(() => stage.close())

  it('rebalances when it is told to, as planned, without a failed request', async () => {
    await guest.start()
    await until('the guest to join', async () => (await stateOf('guest')) === 'ready')
    const before = placesOf(await running())
    const planned = await plan()
    assert.ok(
      planned.some(({to}) => to === 'guest'),
      JSON.stringify(planned),
    )
    assert.deepEqual(placesOf(await running()), before, 'a plan changes nothing')
    const failures = await underLoad(stage, () => stage.must(['rebalance', '-f', 'echo', '--yes']))
    assert.deepEqual(failures, [])
    await until('the old ones to have gone', async () => (await running()).length === 4)
    assert.ok((await on('guest')).length > 0)
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
    await stage.must(['executor', 'uncordon', 'guest'])
    assert.equal(await stateOf('guest'), 'ready')
  })

  it('stops at a deadline what could not be replaced before, and makes it anew where it may', async () => {
    await stage.must(['scale', 'web=6', '-f', 'echo'])
    await until('six to run, some of them there', async () => (await running()).length === 6 && (await on('guest')).length > 0)
    const left = placesOf(await on('guest'))
    await stage.must(['executor', 'cordon', 'local'])
    const failures = await underLoad(stage, async () => {
      await stage.must(['executor', 'drain', 'guest', '--deadline', '4s', '--no-wait'])
      assert.deepEqual(placesOf(await on('guest')), left, 'there is nowhere else')
      await until('nothing to be left there', async () => (await stateOf('guest')) === 'drained' && guest.instances().length === 0)
      assert.equal((await running()).length, 6 - left.length)
      await stage.must(['executor', 'uncordon', 'local'])
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
})
