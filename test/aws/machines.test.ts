// Machines that are to end, and the first tokens of a stage: what is done step by step, and what when it fails.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import type {CloudFormationCustomResourceEvent, SQSEvent} from 'aws-lambda'
import type {Termination} from '#lambdas/capacity/drain.ts'
import {createCapacityFunction} from '#lambdas/capacity/index.ts'
import {createSetupFunction, firstTokens} from '#lambdas/setup/index.ts'
import {createLogger} from '#shared/log.ts'
import {startDatabase, type TestDatabase} from '#test/store/database.ts'
import {descriptor, pendingInstance, reportOf} from '#test/store/samples.ts'

const log = createLogger('test', {level: 'silent'})
const now = () => 1_800_000_000_000

describe('machines and first tokens on AWS', () => {
  let database: TestDatabase

  before(async () => {
    database = await startDatabase()
  })
  after(() => database.stop())

  const message = (EC2InstanceId: string): SQSEvent => {
    const detail: Termination = {AutoScalingGroupName: 'g', LifecycleHookName: 'h', LifecycleActionToken: 't', EC2InstanceId}
    return {Records: [{messageId: 'm1', body: JSON.stringify({detail})}]} as SQSEvent
  }

  it('keep a machine until nothing runs there, then let it end', async () => {
    const {store} = database
    const released: string[] = []
    const capacity = createCapacityFunction({store, log, now, release: async ({EC2InstanceId}) => void released.push(EC2InstanceId)})
    await store.formations.create('crm', now())
    await store.executors.join(descriptor('i-1'), now())
    const instance = pendingInstance('crm', 'web', 'abc0000000', {}, now())
    await store.instances.spawn(instance)
    const executor = await store.executors.get('i-1')
    assert.ok(executor)
    await store.instances.assign(executor, [instance], now())
    assert.deepEqual(await capacity(message('i-1')), {batchItemFailures: [{itemIdentifier: 'm1'}]})
    assert.equal((await store.executors.get('i-1'))?.state, 'draining')
    assert.deepEqual(released, [])
    await store.instances.report('i-1', reportOf('crm', 'web', 'abc0000000', 'stopped', false), now())
    assert.deepEqual(await capacity(message('i-1')), {batchItemFailures: []})
    assert.deepEqual(await capacity(message('i-unknown')), {batchItemFailures: []}, 'one that never joined')
    assert.deepEqual(released, ['i-1', 'i-unknown'])
  })

  it('ask again when the machine could not be let go', async () => {
    const capacity = createCapacityFunction({store: database.store, log, now, release: async () => Promise.reject(new Error('throttled'))})
    assert.deepEqual(await capacity(message('i-2')), {batchItemFailures: [{itemIdentifier: 'm1'}]})
    assert.deepEqual(await capacity({Records: [{messageId: 'm2', body: 'nonsense'}]} as SQSEvent), {
      batchItemFailures: [{itemIdentifier: 'm2'}],
    })
  })

  const request = (RequestType: 'Create' | 'Update' | 'Delete') =>
    ({RequestType, ResponseURL: 'http://cfn', StackId: 's', RequestId: 'r', LogicalResourceId: 'l'}) as CloudFormationCustomResourceEvent
  const setup = (keep: (name: string, secret: string) => Promise<void>) => {
    const heard: {answers: string[]; forgotten: readonly string[]} = {answers: [], forgotten: []}
    const handler = createSetupFunction({
      store: database.store,
      log,
      now,
      keep,
      forget: async names => {
        heard.forgotten = names
      },
      answer: async (_, body) => void heard.answers.push(body),
    })
    return {handler, heard}
  }

  it('make tokens that do what they are for, and end', async () => {
    const kept = new Map<string, string>()
    const {handler, heard} = setup(async (name, secret) => void kept.set(name, secret))
    await handler(request('Create'))
    for (const [name, {scope, ttlMs}] of Object.entries(firstTokens)) {
      assert.equal((await database.store.tokens.authenticate(kept.get(name) ?? '', now()))?.scope, scope)
      assert.equal(await database.store.tokens.authenticate(kept.get(name) ?? '', now() + ttlMs), undefined)
    }
    const [first] = kept.values()
    await handler(request('Update'))
    assert.notEqual([...kept.values()][0], first)
    await handler(request('Delete'))
    assert.deepEqual(heard.forgotten, Object.keys(firstTokens))
    for (const answer of heard.answers) {
      assert.equal(JSON.parse(answer).Status, 'SUCCESS')
      assert.doesNotMatch(answer, /gil_/)
    }
  })

  it('tell CloudFormation when tokens could not be kept, so that it rolls back', async () => {
    const {handler, heard} = setup(async () => Promise.reject(new Error('denied')))
    await handler(request('Create'))
    assert.deepEqual([JSON.parse(heard.answers[0] ?? '').Status, heard.answers.length], ['FAILED', 1])
  })
})
