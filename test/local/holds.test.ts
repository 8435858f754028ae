// Long polls: an answer that says nothing new waits for a change, for its time, or for the end of the caller; everything else is answered at once.
import assert from 'node:assert/strict'
import {describe, it} from 'node:test'
import type {APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, DynamoDBRecord} from 'aws-lambda'
import {createHolds} from '#local/holds.ts'

const syncOf = (body: object): APIGatewayProxyEventV2 =>
  ({
    routeKey: 'POST /v1/executors/{executor}/sync',
    pathParameters: {executor: 'one'},
    body: JSON.stringify(body),
  }) as unknown as APIGatewayProxyEventV2
const discoveryOf = (body: object): APIGatewayProxyEventV2 =>
  ({routeKey: 'POST /v1/discovery', body: JSON.stringify(body)}) as unknown as APIGatewayProxyEventV2

const idle = {assignmentVersion: 1, reports: [], logs: []}
const nothing = {assignmentVersion: 1, nextSyncMs: 500, leaseMs: 45_000}
const news = {...nothing, assignmentVersion: 2, assignments: []}
const alive = new AbortController().signal

/** A function that answers each of `bodies` in turn and then the last one for ever, and says when it was asked. */
const answering = (...bodies: readonly object[]) => {
  const asked: (() => void)[] = []
  let count = 0
  return {
    count: () => count,
    asked: (times: number) =>
      new Promise<void>(resolve => {
        if (count >= times) resolve()
        else asked[times] = resolve
      }),
    inner: async (): Promise<APIGatewayProxyStructuredResultV2> => {
      const body = bodies[Math.min(count, bodies.length - 1)]
      count += 1
      asked[count]?.()
      return {statusCode: 200, body: JSON.stringify(body)}
    },
  }
}

const change = (image: object, key: object = {}): {Records: DynamoDBRecord[]} => ({
  Records: [{dynamodb: {Keys: key, NewImage: image, OldImage: {assignmentVersion: {N: '1'}}}} as DynamoDBRecord],
})
const leaseChange = (executor: string, version: string) =>
  change({type: {S: 'lease'}, assignmentVersion: {N: version}}, {sk: {S: `LEASE#${executor}`}})
const bodyOf = (result: APIGatewayProxyStructuredResultV2): unknown => JSON.parse(result.body ?? '')

describe('holds', () => {
  it('holds a sync with nothing to say until its executor gets something to do', async () => {
    const holds = createHolds()
    const {inner, asked, count} = answering(nothing, news)
    const answer = holds.wrap(inner)(syncOf({...idle, holdMs: 20_000}), alive)
    await asked(1)
    await holds.consumer.handle(leaseChange('another', '2'))
    await holds.consumer.handle(leaseChange('one', '1'))
    assert.equal(count(), 1, 'neither another executor nor a heartbeat is news')
    await holds.consumer.handle(leaseChange('one', '2'))
    assert.deepEqual(bodyOf(await answer), {...news, nextSyncMs: 10})
  })

  it('misses no change that comes while the function works', async () => {
    const holds = createHolds()
    const bodies = [nothing, news]
    const inner = async () => {
      const body = bodies.shift()
      if (bodies.length === 1) await holds.consumer.handle(leaseChange('one', '2'))
      return {statusCode: 200, body: JSON.stringify(body)}
    }
    assert.deepEqual(bodyOf(await holds.wrap(inner)(syncOf({...idle, holdMs: 20_000}), alive)), {...news, nextSyncMs: 10})
  })

  it('answers at once what reports, what brings lines, what does not ask to be held, and what went wrong', async () => {
    const holds = createHolds()
    for (const body of [{...idle, reports: [{}], holdMs: 20_000}, {...idle, logs: [{}], holdMs: 20_000}, idle, {...idle, holdMs: 0}])
      assert.equal((await holds.wrap(answering(nothing).inner)(syncOf(body), alive)).statusCode, 200)
    const refuse = async () => ({statusCode: 401, body: '{"code":"unauthenticated"}'})
    assert.equal((await holds.wrap(refuse)(syncOf({...idle, holdMs: 20_000}), alive)).statusCode, 401)
    const broken = {routeKey: 'POST /v1/discovery', body: '{'} as unknown as APIGatewayProxyEventV2
    assert.equal((await holds.wrap(answering(nothing).inner)(broken, alive)).statusCode, 200)
  })

  it('leaves the pace of callers that do not ask to be held alone', async () => {
    const {inner} = answering(nothing)
    assert.deepEqual(bodyOf(await createHolds().wrap(inner)(syncOf(idle), alive)), nothing)
  })

  it('gives the answer it has when the time is over, or the caller has gone', async () => {
    const holds = createHolds()
    const {inner, asked} = answering(nothing)
    assert.deepEqual(bodyOf(await holds.wrap(inner)(syncOf({...idle, holdMs: 5}), alive)), {...nothing, nextSyncMs: 10})
    const gone = new AbortController()
    const answer = holds.wrap(inner)(syncOf({...idle, holdMs: 20_000}), gone.signal)
    await asked(2)
    gone.abort()
    assert.equal((await answer).statusCode, 200)
  })

  it('wakes the feed for the formations and routes asked for, and holds one that watches nothing for its time', async () => {
    const quiet = {formations: {}, nextPollMs: 500}
    const changed = {formations: {crm: {version: 2, endpoints: []}}, nextPollMs: 500}
    for (const item of [{type: {S: 'discovery'}, formation: {S: 'crm'}}, {type: {S: 'routing'}}]) {
      const holds = createHolds()
      const {inner, asked, count} = answering(quiet, changed)
      const answer = holds.wrap(inner)(discoveryOf({formations: {crm: 1}, routes: 1, holdMs: 20_000}), alive)
      await asked(1)
      await holds.consumer.handle(change({type: {S: 'discovery'}, formation: {S: 'shop'}}))
      assert.equal(count(), 1)
      await holds.consumer.handle(change(item))
      assert.deepEqual(bodyOf(await answer), {...changed, nextPollMs: 10})
    }
    assert.deepEqual(bodyOf(await createHolds().wrap(answering(quiet).inner)(discoveryOf({formations: {}, holdMs: 5}), alive)), {
      ...quiet,
      nextPollMs: 10,
    })
  })

  it('lets everybody go when released, and holds nobody afterwards', async () => {
    const holds = createHolds()
    const {inner, asked} = answering(nothing)
    const answers = [1, 2, 3].map(() => holds.wrap(inner)(syncOf({...idle, holdMs: 20_000}), alive))
    await asked(3)
    holds.release()
    assert.equal((await Promise.all(answers)).length, 3)
    assert.equal((await holds.wrap(inner)(syncOf({...idle, holdMs: 20_000}), alive)).statusCode, 200)
  })
})
