// Which agent each ring is to run: saying it, undoing it, and what syncs make of it.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import {createWishes} from '#lambdas/executors/wishes.ts'
import {ringsMax, type Store} from '#lambdas/store/index.ts'
import {type AgentProgram, agentBundleBytesMax, upgradeState} from '#shared/domain/agent.ts'
import {descriptor} from '#test/store/samples.ts'
import {type Platform, startPlatform} from './platform.ts'

const [a, b, c] = ['a', 'b', 'c'].map(letter => letter.repeat(64)) as [string, string, string]
const program = (change: Partial<AgentProgram> = {}): AgentProgram => {
  return {version: a, ring: 'canary', installed: true, launched: true, ...change}
}

describe('agents by ring', () => {
  let platform: Platform
  let token: string
  before(async () => {
    platform = await startPlatform()
    for (const sha256 of [a, b, c]) await platform.store.artifacts.put({sha256, bytes: 10, stored: true, createdAt: 1})
    token = (await platform.call('joinExecutor', {body: descriptor('one')})).body.token
  })
  after(() => platform.stop())

  const upgrade = (ring: string, body: object) => platform.call('upgradeAgents', {params: {ring}, body})
  /** After the function has forgotten what rings wanted. */
  const sync = async (agent?: AgentProgram) => {
    platform.clock.now += 60_000
    await platform.store.executors.renew('one', platform.clock.now)
    const body = {assignmentVersion: 1, reports: [], ...(agent && {agent})}
    return (await platform.call('syncExecutor', {params: {executor: 'one'}, token, body})).body
  }

  it('a ring of which nothing was said wants nothing', async () => {
    assert.equal((await sync(program())).agent, undefined)
    assert.equal((await upgrade('canary', {undo: true})).body.code, 'not_found')
  })

  it('agents of a ring hear of the one it wants, others do not, and each is shown with what it said', async () => {
    const {body} = await upgrade('canary', {sha256: b})
    assert.deepEqual(body.bundle, {sha256: b, bytes: 10})
    assert.deepEqual(body.former, {}, 'the one that was installed')
    const {since} = body
    assert.deepEqual((await sync(program())).agent, {since, bundle: {sha256: b, bytes: 10}})
    assert.equal((await sync(program({ring: 'default'}))).agent, undefined)
    assert.equal((await sync()).agent, undefined, 'an older agent, that says nothing')
    const done = program({version: b, installed: false})
    assert.equal((await sync(done)).agent, undefined)
    assert.deepEqual((await platform.call('getExecutor', {params: {executor: 'one'}})).body.agent, done)
    const [listed] = (await platform.call('listExecutors')).body.items
    assert.deepEqual(listed.agent, done)
  })

  it('what an agent refused is not wished for again, until it is asked for again', async () => {
    const {body} = await upgrade('canary', {sha256: c})
    assert.deepEqual(body.former, {bundle: {sha256: b, bytes: 10}})
    const refused = program({refused: {since: body.since, why: 'it does not start'}})
    assert.equal((await sync(refused)).agent, undefined)
    const again = (await upgrade('canary', {sha256: c})).body
    assert.ok(again.since > body.since)
    assert.deepEqual(again.former, {bundle: {sha256: b, bytes: 10}}, 'stays what it was')
    assert.equal((await sync(refused)).agent.since, again.since)
  })

  it('an undo goes back, and another forth', async () => {
    assert.deepEqual((await upgrade('canary', {undo: true})).body.bundle, {sha256: b, bytes: 10})
    assert.deepEqual((await upgrade('canary', {undo: true})).body.bundle, {sha256: c, bytes: 10})
    await upgrade('first', {sha256: b})
    const back = (await upgrade('first', {undo: true})).body
    assert.equal('bundle' in back, false, 'the installed one')
    assert.deepEqual((await sync(program({ring: 'first', version: b, installed: false}))).agent, {since: back.since})
    assert.equal((await sync(program({ring: 'first'}))).agent, undefined)
    const {items} = (await platform.call('listAgentRings')).body
    assert.deepEqual(
      items.map(({ring}: {ring: string}) => ring),
      ['canary', 'first'],
    )
  })

  it('refuses what is not stored, too large, or neither one nor the other', async () => {
    assert.equal((await upgrade('canary', {sha256: 'd'.repeat(64)})).body.code, 'not_found')
    await platform.store.artifacts.put({sha256: 'e'.repeat(64), bytes: agentBundleBytesMax + 1, stored: true, createdAt: 1})
    assert.equal((await upgrade('canary', {sha256: 'e'.repeat(64)})).body.code, 'invalid_request')
    assert.equal((await upgrade('canary', {})).body.code, 'invalid_request')
    assert.equal((await upgrade('canary', {sha256: a, undo: true})).body.code, 'invalid_request')
    assert.equal((await upgrade('No Ring', {sha256: a})).body.code, 'invalid_request')
  })

  it('of two that change a ring at once one is told so, and there are only so many rings', async () => {
    const {agents} = platform.store
    const outcomes = await Promise.all([a, b].map(sha256 => agents.want('raced', {sha256, bytes: 1}, 'me', 5)))
    assert.ok(outcomes.some(({outcome}) => outcome === 'ok'))
    const had = (await agents.rings()).length
    for (let n = had; n < ringsMax; n++) await agents.want(`ring-${n}`, {sha256: a, bytes: 1}, 'me', 5)
    assert.equal((await agents.want('more', {sha256: a, bytes: 1}, 'me', 5)).outcome, 'full')
    assert.equal((await agents.want('canary', {sha256: a, bytes: 1}, 'me', 5)).outcome, 'ok')
  })

  it('reads nothing for a sync within a minute of the last look, and looks again after one that failed', async () => {
    let looks = 0
    let broken = true
    const rings: Store['agents']['rings'] = async () => {
      looks += 1
      if (broken) throw new Error('no table')
      return [{ring: 'canary', since: 1, former: {}, updatedBy: 'me'}]
    }
    const wishes = createWishes({...platform.store.agents, rings})
    await assert.rejects(wishes('canary', 0))
    broken = false
    assert.deepEqual(await wishes('canary', 1), {since: 1})
    for (const at of [2, 30_000, 60_000]) await wishes('default', at)
    assert.equal(looks, 2)
    await wishes('canary', 60_001)
    assert.equal(looks, 3)
  })

  it('names the state of each: by hand where nothing would start another one', () => {
    const wish = {since: 5, bundle: {sha256: b, bytes: 10}}
    assert.equal(upgradeState(program(), undefined), 'current')
    assert.equal(upgradeState(program({version: b}), wish), 'current')
    assert.equal(upgradeState(program(), wish), 'upgrading')
    assert.equal(upgradeState(program({launched: false}), wish), 'by hand')
    assert.equal(upgradeState(program({refused: {since: 4, why: ''}}), wish), 'upgrading')
    assert.equal(upgradeState(program({refused: {since: 5, why: ''}}), wish), 'refused')
    assert.equal(upgradeState(program(), {since: 5}), 'current')
    assert.equal(upgradeState(program({installed: false}), {since: 5}), 'upgrading')
  })
})
