// “Wake me at” over SQS, and what the reconciler makes of messages, schedules and stream batches. The real client against a stand-in; the clock is moved by hand.
import assert from 'node:assert/strict'
import {after, before, beforeEach, describe, it} from 'node:test'
import {SQSClient} from '@aws-sdk/client-sqs'
import type {SQSEvent} from 'aws-lambda'
import {createWakeUps} from '#lambdas/aws/wake-ups.ts'
import {createReconcilerHandler, type ReconcilerCall, tickSeconds} from '#lambdas/reconciler/calls.ts'
import type {ReconcilerEvent} from '#lambdas/reconciler/index.ts'
import {watchGapMsMax} from '#shared/domain/lease.ts'
import {createLogger} from '#shared/log.ts'
import type {WakeUps} from '#shared/ports.ts'
import {type Services, startServices} from '#test/lambda/services.ts'
import {scheduled} from '#test/lambda/stage.ts'

describe('wake-ups on AWS', () => {
  let services: Services
  let client: SQSClient
  let wakeUps: WakeUps
  const clock = {now: 1_800_000_000_000}
  const now = () => clock.now
  const make = () => createWakeUps({client, queueUrl: `${services.url}/1/wakes`, now})

  before(async () => {
    services = await startServices()
    client = new SQSClient({
      endpoint: services.url,
      region: 'eu-west-1',
      credentials: {accessKeyId: 'x', secretAccessKey: 'secret'},
      maxAttempts: 1,
    })
  })
  beforeEach(() => {
    services.messages.length = 0
    clock.now += 3_600_000
    wakeUps = make()
  })
  after(async () => {
    client.destroy()
    await services.stop()
  })

  const sent = async () => {
    const before = services.messages.length
    const at = Date.now()
    await wakeUps.flush()
    return services.messages.slice(before).map(({body, visibleAt}) => ({...JSON.parse(body), after: Math.round((visibleAt - at) / 1_000)}))
  }

  it('are sent together, once for each formation, the earliest time counting', async () => {
    wakeUps.wakeAt('crm', now() + 30_000)
    wakeUps.wakeAt('crm', now() + 60_000)
    wakeUps.wakeAt('shop', now() + 5_500)
    assert.deepEqual(await sent(), [
      {wake: 'crm', at: now() + 30_000, after: 30},
      {wake: 'shop', at: now() + 5_500, after: 6},
    ])
    wakeUps.wakeAt('crm', now() + 40_000)
    assert.deepEqual(await sent(), [], 'one is on its way')
    wakeUps.wakeAt('crm', now() + 10_000)
    assert.equal((await sent())[0]?.after, 10)
  })

  it('are asked for again when their time has passed', async () => {
    wakeUps.wakeAt('crm', now() + 1_000)
    await sent()
    clock.now += 2_000
    wakeUps.wakeAt('crm', now() + 1_000)
    assert.equal((await sent()).length, 1)
  })

  it('go in batches of ten', async () => {
    for (let at = 0; at < 25; at++) wakeUps.wakeAt(`f${at}`, now() + 1_000)
    assert.equal((await sent()).length, 25)
  })

  it('are asked for again when they could not be sent', async () => {
    const broken = new SQSClient({
      endpoint: 'http://127.0.0.1:1',
      region: 'eu-west-1',
      credentials: {accessKeyId: 'x', secretAccessKey: 'x'},
      maxAttempts: 1,
    })
    wakeUps = createWakeUps({client: broken, queueUrl: 'http://127.0.0.1:1/1/wakes', now})
    wakeUps.wakeAt('crm', now() + 1_000)
    await assert.rejects(wakeUps.flush(), /ECONNREFUSED/)
    wakeUps.wakeAt('crm', now() + 1_000)
    await assert.rejects(wakeUps.flush(), /ECONNREFUSED/)
    broken.destroy()
  })

  describe('and the reconciler', () => {
    let calls: ReconcilerEvent[]
    let failing: boolean
    let leases: boolean
    let handler: ReturnType<typeof createReconcilerHandler>

    beforeEach(() => {
      calls = []
      failing = false
      leases = true
      handler = createReconcilerHandler({
        reconcile: async event => {
          calls.push(event)
          if ('wake' in event) wakeUps.wakeAt(event.wake, now() + 20_000)
          if (failing) throw new Error('no')
          return {batchItemFailures: []}
        },
        wakeUps,
        hasLeases: async () => leases,
        now,
        log: createLogger('test', {level: 'silent'}),
      })
    })
    const queued = (...messages: unknown[]): ReconcilerCall =>
      ({Records: messages.map((message, at) => ({messageId: `m${at}`, body: JSON.stringify(message)}))}) as SQSEvent

    it('is woken for a formation when its time has come, and asks to be woken again', async () => {
      await handler(queued({wake: 'crm', at: now()}))
      assert.deepEqual(calls, [{wake: 'crm'}])
      assert.equal(services.messages.length, 1)
    })

    it('waits in several steps for what is later than one message can say', async () => {
      const at = now() + 1_000_000
      wakeUps.wakeAt('crm', at)
      assert.deepEqual(await sent(), [{wake: 'crm', at, after: 900}])
      clock.now += 900_000
      await handler(queued({wake: 'crm', at}))
      assert.deepEqual(calls, [])
      assert.equal(services.messages.length, 2, 'the rest of the wait')
      clock.now += 100_000
      await handler(queued({wake: 'crm', at}))
      assert.deepEqual(calls, [{wake: 'crm'}])
    })

    it('ticks with the schedule, and often enough after it that leases count as watched', async () => {
      await handler(scheduled() as ReconcilerCall)
      assert.deepEqual(calls, [{tick: true}])
      assert.equal(services.messages.length, tickSeconds.length)
      const gaps = [0, ...tickSeconds].slice(1).map((second, at) => second - ([0, ...tickSeconds][at] ?? 0))
      assert.ok(Math.max(...gaps) * 1_000 < watchGapMsMax)
      leases = false
      clock.now += 60_000
      await handler(scheduled() as ReconcilerCall)
      assert.equal(services.messages.length, tickSeconds.length, 'no leases, no ticks between')
    })

    it('takes ticks that come together as one', async () => {
      await handler(queued({tick: true}, {tick: true}))
      clock.now += 1_000
      await handler(queued({tick: true}))
      assert.equal(calls.length, 1)
      clock.now += 10_000
      failing = true
      assert.deepEqual(await handler(queued({tick: true})), {batchItemFailures: [{itemIdentifier: 'm0'}]})
      failing = false
      await handler(queued({tick: true}))
      assert.equal(calls.length, 3, 'one that failed was none')
    })

    it('names what failed, so that only that comes again, and still sends what it asked for', async () => {
      failing = true
      assert.deepEqual(await handler(queued({wake: 'crm', at: now()}, {wake: 'shop', at: now() + 60_000})), {
        batchItemFailures: [{itemIdentifier: 'm0'}],
      })
      assert.equal(services.messages.length, 2)
      assert.deepEqual(await handler(queued('nonsense{')), {batchItemFailures: [{itemIdentifier: 'm0'}]})
    })

    it('hands batches of the stream on as they are', async () => {
      const event = {Records: [{eventName: 'INSERT', dynamodb: {}}]} as ReconcilerCall
      assert.deepEqual(await handler(event), {batchItemFailures: []})
      assert.deepEqual(calls, [event])
    })
  })
})
