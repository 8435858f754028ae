// How often the control plane is asked, and that leases, watches and drains leave room for it.
import assert from 'node:assert/strict'
import {describe, it} from 'node:test'
import fc from 'fast-check'
import {syncRouteTimeoutMs} from '#agent/sync-route.ts'
import {jitterMs} from '#shared/domain/backoff.ts'
import {executorLeaseMs} from '#shared/domain/executor.ts'
import {watchGapMsMax} from '#shared/domain/lease.ts'
import {askAgainMs, drainMsFor, syncMsMax, syncRetryMsMax, waitJitterShare} from '#shared/domain/pace.ts'

/** The longest that a wait becomes. */
const longest = (ms: number): number => jitterMs(ms, waitJitterShare, 1)
/** What an agent waits for an answer of the API, as agent/connection.ts has it. */
const callTimeoutMs = 15_000

describe('asking again', () => {
  it('is soon after news, and the later the longer it was quiet', () => {
    const pace = {busyMs: 2_000, idleMs: 10_000}
    assert.deepEqual(
      [0, 4_000, 20_000, 40_000, 3_600_000].map(quietMs => askAgainMs(quietMs, pace)),
      [2_000, 2_000, 5_000, 10_000, 10_000],
    )
  })

  it('is never later than asked for, nor sooner', () => {
    const quiet = fc.nat({max: 10 ** 9})
    fc.assert(
      fc.property(quiet, quiet, fc.nat(60_000), fc.nat(60_000), (a, b, busyMs, idleMs) => {
        const [sooner, later] = [Math.min(a, b), Math.max(a, b)].map(ms => askAgainMs(ms, {busyMs, idleMs})) as [number, number]
        assert.ok(busyMs <= sooner && sooner <= later && later <= Math.max(busyMs, idleMs))
      }),
    )
  })
})

describe('a lease', () => {
  it('has time for two tries, also when the first hangs, by its own way and by the API', () => {
    const secondAt = longest(syncMsMax) + syncRouteTimeoutMs + callTimeoutMs + longest(500)
    assert.ok(secondAt < executorLeaseMs, `${secondAt} ms`)
  })

  it('outlasts an outage that is too short for the watch to notice', () => {
    assert.ok(executorLeaseMs - longest(syncMsMax) - longest(syncRetryMsMax) > watchGapMsMax)
  })
})

describe('draining', () => {
  it('lasts longer than a router or proxy takes to ask twice: one try that fails, and the next', () => {
    const pollMs = 10_000
    const [failedAfterMs, backoffMs] = [1_000, 250]
    assert.ok(drainMsFor(pollMs) > longest(pollMs) + failedAfterMs + longest(backoffMs))
    assert.equal(drainMsFor(pollMs), 15_000)
  })
})
