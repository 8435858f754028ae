// An instance dies while many requests are on their way to it: all of them go elsewhere, it is passed over once, and comes back with a clean record.
import assert from 'node:assert/strict'
import {afterEach, beforeEach, describe, it} from 'node:test'
import {type Attempted, Attempts, type Tried} from '#proxy/attempts.ts'
import {failureOf} from '#proxy/failures.ts'
import {Deadlines} from '#proxy/http/deadlines.ts'
import {createReadBuffer} from '#proxy/http/read-buffer.ts'
import {Turn} from '#proxy/http/turn.ts'
import {limitsDefault} from '#proxy/limits.ts'
import {type Upstream, Upstreams} from '#proxy/upstreams.ts'
import {ejectionMsBase, retryTokensMax} from '#shared/domain/balancer.ts'

const onFault = (error: unknown): void => {
  throw error
}
const refusal = Object.assign(new Error('connect ECONNREFUSED'), {code: 'ECONNREFUSED'})
const reset = Object.assign(new Error('read ECONNRESET'), {code: 'ECONNRESET'})

const failed = (error: Error, sent: boolean): Tried => {
  const failure = failureOf(error, sent, limitsDefault)
  return {kind: 'failed', failure, sent, answerBegun: false}
}

describe('an instance that dies', () => {
  let deadlines: Deadlines
  let upstreams: Upstreams
  let attempts: Attempts
  let dead: Upstream
  let well: Upstream
  let ejections: number
  let now: number
  const requests = retryTokensMax * 4

  const at = (id: string, since: number): Upstream => {
    const endpoint = {service: 'web', id, release: 1, host: '127.0.0.1', ports: {80: 1}, since}
    return upstreams.of('crm', {endpoint, port: 1})
  }

  beforeEach(() => {
    now = 1_000_000
    ejections = 0
    deadlines = new Deadlines(() => now, 1_000, onFault)
    upstreams = new Upstreams({
      limits: limitsDefault,
      deadlines,
      readBuffer: createReadBuffer(),
      turn: new Turn({now: Date.now, steady: () => performance.now()}),
      onFault,
    })
    attempts = new Attempts({now: () => now, random: () => 0}, {retried: () => undefined, ejected: () => (ejections += 1)})
    dead = at('aaaaaaaaaa', 0)
    well = at('bbbbbbbbbb', 0)
  })

  afterEach(() => {
    upstreams.destroy()
    deadlines.stop()
  })

  /** All begin before the first of them fails at the dead instance. */
  const runAll = (how: Tried): Attempted[] => {
    const ended: Attempted[] = []
    const failing: (() => void)[] = []
    for (let i = 0; i < requests; i++) {
      attempts.run([dead, well], {
        method: 'GET',
        bodyConsumed: false,
        preferred: dead.instance,
        tryOne: (upstream, settler) => {
          if (upstream === dead) failing.push(() => settler.settled(how))
          else settler.settled({kind: 'answered', status: 200})
        },
        tried: attempted => ended.push(attempted),
      })
    }
    assert.equal(failing.length, requests)
    for (const fail of failing) fail()
    return ended
  }

  const answered = (ended: readonly Attempted[]): number => ended.filter(({outcome}) => outcome.kind === 'answered').length

  it('costs none of the requests that never reached it, however many there are', () => {
    assert.equal(answered(runAll(failed(refusal, false))), requests)
  })

  it('costs the budget when they may have', () => {
    assert.equal(answered(runAll(failed(reset, true))), retryTokensMax)
  })

  it('is passed over once for all of them', () => {
    runAll(failed(refusal, false))
    assert.equal(dead.ejectedUntil, now + ejectionMsBase)
    assert.equal(ejections, 1)
    now = dead.ejectedUntil
    dead.connectionFailed(now)
    assert.equal(dead.ejectedUntil, now + ejectionMsBase * 2)
  })

  it('begins with a clean record when it is back in the feed', () => {
    runAll(failed(refusal, false))
    assert.equal(at(dead.instance, 0), dead)
    assert.ok(dead.ejectedUntil > now)
    at(dead.instance, now)
    assert.equal(dead.ejectedUntil, 0)
    dead.connectionFailed(now)
    assert.equal(dead.ejectedUntil, now + ejectionMsBase)
  })
})
