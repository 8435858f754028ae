// Joining by a role that is one executor's own: tasks that come and go take it over from each other, and nobody else gets in as it.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import {signProof} from '#agent/proof.ts'
import {descriptor} from '#test/store/samples.ts'
import {type Platform, startPlatform} from './platform.ts'
import {machine} from './sts.ts'

const key = 'k'.repeat(43)

describe('joining by the role of one executor', () => {
  let platform: Platform
  before(async () => {
    platform = await startPlatform()
    platform.sts.roles.push({account: '123456789012', role: 'agents', executor: 'fargate'})
  })
  after(() => platform.stop())

  /** Tasks on ECS: their sessions have names of their own. */
  const join = (task: string, id = 'fargate', role = 'agents') => {
    platform.clock.now += 1_000
    const own = machine(task, {arn: `arn:aws:sts::123456789012:assumed-role/${role}/${task}`})
    platform.sts.machines.push(own)
    const keyOf = task.slice(0, 1).repeat(43)
    const proof = signProof({stage: 'test', executor: id, key: keyOf}, own, platform.clock.now)
    return platform.call('joinByRole', {token: undefined, body: {...descriptor(id), key: keyOf, proof}})
  }
  const sync = async ({body}: Awaited<ReturnType<typeof join>>): Promise<number> =>
    (await platform.call('syncExecutor', {token: body.token, params: {executor: 'fargate'}, body: {assignmentVersion: 0, reports: []}}))
      .status

  it('takes a task in the place of the one before, without its being lost, and shuts that one out', async () => {
    const first = await join('a1')
    assert.equal(first.status, 201, first.text)
    assert.equal(await sync(first), 200)
    const second = await join('b1')
    assert.equal(second.status, 201, second.text)
    assert.deepEqual([await sync(first), await sync(second)], [401, 200])
    assert.equal((await join('a1')).body.code, 'executor_taken', 'of two tasks the one that came last stays')
    assert.equal((await join('b1')).status, 201, 'which may join again')
    assert.equal((await join('c1')).status, 201)
    for (const task of ['a1', 'b1']) assert.equal((await join(task)).body.code, 'executor_taken')
    assert.ok(!(await platform.call('getExecutor', {params: {executor: 'fargate'}})).text.includes('formerKeys'))
  })

  it('takes one of two that come at once, or one after the other, but never leaves two', async () => {
    const joined = await Promise.all(['d1', 'e1', 'f1'].map(task => join(task)))
    const alive = await Promise.all(joined.filter(({status}) => status === 201).map(sync))
    assert.equal(alive.filter(status => status === 200).length, 1)
  })

  it('is the only way in as that executor, and a way in as no other', async () => {
    const token = await platform.tokenOf('join')
    const byToken = await platform.call('joinExecutor', {token, body: {...descriptor('fargate'), key}})
    assert.deepEqual([byToken.status, byToken.body.code], [403, 'forbidden'])
    assert.match(byToken.body.detail, /joins by its role/)
    const asMachine = await join('h1', 'fargate', 'executors')
    assert.deepEqual([asMachine.status, asMachine.body.detail.includes('may join this stage as “fargate”')], [401, true])
    const id = 'i-00000000000000001'
    const asOther = await join('g1', id)
    assert.equal(asOther.status, 401)
    assert.match(asOther.body.detail, /^No machine of .*assumed-role\/agents\/g1 may join this stage\.$/)
    assert.match((await join('k1', 'another')).body.detail, /has its EC2 id as its name/)
  })

  it('may be had by an agent that it was taken from once it is lost', async () => {
    platform.clock.now += 60_000
    await platform.store.executors.markLost('fargate', platform.clock.now)
    assert.equal((await join('a1')).status, 201)
  })
})
