// How often the joining by role asks AWS: what is held back, what is not, what is remembered.
import assert from 'node:assert/strict'
import {describe, it} from 'node:test'
import {createAsking, refusedKeptMax, refusedProofs} from '#lambdas/executors/asking.ts'
import {RateLimited} from '#lambdas/middleware/rate.ts'
import {GilliamError} from '#shared/errors.ts'

describe('asking AWS', () => {
  const now = 1_750_000_000_000
  const refuse = (code: 'unauthenticated' | 'unavailable') => () => Promise.reject(new GilliamError(code, 'no'))

  it('is not held back by proofs that are taken', async () => {
    const {within} = createAsking()
    for (let times = 0; times < 2 * refusedProofs.burst; times++) assert.equal(await within(`k${times}`, now, async () => times), times)
    const together = Array.from({length: refusedProofs.burst}, (_, at) => within(`t${at}`, now, async () => at))
    assert.equal((await Promise.all(together)).length, refusedProofs.burst)
  })

  it('remembers what was refused, not what AWS said nothing about, and only so much of it', async () => {
    const {within} = createAsking()
    let at = now
    const codeOf = (key: string, code: 'unauthenticated' | 'unavailable') => {
      at += refusedProofs.perMs
      return within(key, at, refuse(code)).catch(({code: answered}: GilliamError) => answered)
    }
    assert.equal(await codeOf('down', 'unavailable'), 'unavailable')
    assert.equal(await codeOf('down', 'unauthenticated'), 'unauthenticated')
    assert.equal(await codeOf('down', 'unauthenticated'), 'rate_limited')
    for (let times = 1; times < refusedKeptMax; times++) assert.equal(await codeOf(`k${times}`, 'unauthenticated'), 'unauthenticated')
    assert.equal(await codeOf('down', 'unauthenticated'), 'rate_limited')
    assert.equal(await codeOf('one more', 'unauthenticated'), 'unauthenticated')
    assert.equal(await codeOf('down', 'unauthenticated'), 'unauthenticated', 'it has made room')
  })

  it('asks about so many that come to nothing, and about more when time has passed', async () => {
    const {within} = createAsking()
    const bad = (key: string, at: number) => within(key, at, refuse('unauthenticated')).catch((error: GilliamError) => error)
    const codeOf = async (key: string, at: number) => ((await bad(key, at)) as GilliamError).code
    for (let times = 0; times < refusedProofs.burst; times++) assert.equal(await codeOf(`b${times}`, now), 'unauthenticated')
    const over = await bad('over', now)
    const everySeconds = refusedProofs.perMs / refusedProofs.requests / 1_000
    assert.ok(over instanceof RateLimited)
    assert.equal(over.retryAfterSeconds, everySeconds)
    await assert.rejects(
      within('good', now, async () => 'taken'),
      RateLimited,
    )
    const later = now + everySeconds * 1_000
    for (let times = 0; times < 3; times++) assert.equal(await within('good', later, async () => 'taken'), 'taken')
    assert.equal(await codeOf('over', later), 'unauthenticated', 'it was not asked about before')
    assert.equal(await codeOf('one more', later), 'rate_limited')
  })
})
