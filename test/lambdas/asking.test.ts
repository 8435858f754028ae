// How often the joining by role asks AWS: what is held back, what is not, what is remembered.
import assert from 'node:assert/strict'
import {describe, it} from 'node:test'
import {createAsking, knownKeptMax, refusedKeptMax, refusedOfKnown, refusedProofs} from '#lambdas/executors/asking.ts'
import {RateLimited} from '#lambdas/middleware/rate.ts'
import {GilliamError} from '#shared/errors.ts'
import {accountOfKey} from '#shared/join-proof.ts'

describe('asking AWS', () => {
  const now = 1_750_000_000_000
  const ours = 'ASIAQNZGKIQY56JQ7WML'
  const create = () => {
    const asking = createAsking(new Set(['029608264753']))
    const within = <T>(key: string, at: number, ask: () => Promise<T>, signer = 'ASIAIOSFODNN7EXAMPLE') =>
      asking.within({key, signer}, at, ask)
    return {within}
  }
  const refuse = (code: 'unauthenticated' | 'unavailable') => () => Promise.reject(new GilliamError(code, 'no'))

  it('is not held back by proofs that are taken', async () => {
    const {within} = create()
    for (let times = 0; times < 2 * refusedProofs.burst; times++) assert.equal(await within(`k${times}`, now, async () => times), times)
    const together = Array.from({length: refusedProofs.burst}, (_, at) => within(`t${at}`, now, async () => at, `ASIA${at}`))
    assert.equal((await Promise.all(together)).length, refusedProofs.burst)
  })

  it('remembers what was refused, not what AWS said nothing about, and only so much of it', async () => {
    const {within} = create()
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
    const {within} = create()
    const bad = (key: string, at: number) => within(key, at, refuse('unauthenticated')).catch((error: GilliamError) => error)
    const codeOf = async (key: string, at: number) => ((await bad(key, at)) as GilliamError).code
    for (let times = 0; times < refusedProofs.burst; times++) assert.equal(await codeOf(`b${times}`, now), 'unauthenticated')
    const over = await bad('over', now)
    const everySeconds = refusedProofs.perMs / refusedProofs.requests / 1_000
    assert.ok(over instanceof RateLimited)
    assert.equal(over.retryAfterSeconds, everySeconds)
    const good = () => within('good', now, async () => 'taken')
    await assert.rejects(good(), RateLimited)
    const later = now + everySeconds * 1_000
    for (let times = 0; times < 3; times++) assert.equal(await within('good', later, async () => 'taken', `ASIA${times}`), 'taken')
    assert.equal(await codeOf('over', later), 'unauthenticated', 'it was not asked about before')
    assert.equal(await codeOf('one more', later), 'rate_limited')
  })

  it('about machines of the stage’s accounts, and those who were good before, goes on while strangers flood it', async () => {
    const {within} = create()
    const bad = (key: string, signer: string) =>
      within(key, now, refuse('unauthenticated'), signer).catch((error: GilliamError) => error.code)
    const taken = async () => 'taken'
    assert.equal(await within('known', now, taken, 'ASIAKNOWN'), 'taken')
    for (let times = 0; times < refusedProofs.burst; times++) assert.equal(await bad(`s${times}`, `ASIA${times}`), 'unauthenticated')
    assert.equal(await bad('stranger', 'ASIASTRANGER'), 'rate_limited')
    assert.equal(await within('new', now, taken, ours), 'taken', 'a new machine joins')
    // Whoever knows an account makes up keys of it: those who were good before are counted each by itself.
    const other = 'ASIAQNZGKIQY56JQ7WMM'
    for (let times = 0; times < refusedProofs.burst; times++) assert.equal(await bad(`o${times}`, other), 'unauthenticated')
    assert.equal(await bad('one more', other), 'rate_limited')
    for (const signer of [ours, 'ASIAKNOWN']) assert.equal(await within('again', now, taken, signer), 'taken')
    for (let times = 0; times < refusedOfKnown.burst; times++) assert.equal(await bad(`k${times}`, 'ASIAKNOWN'), 'unauthenticated')
    assert.equal(await bad('too many', 'ASIAKNOWN'), 'rate_limited')
    assert.equal(await within('still', now, taken, ours), 'taken')
  })

  it('forgets who was good before when there are too many', async () => {
    const {within} = create()
    for (let times = 0; times <= knownKeptMax; times++) await within(`k${times}`, now, async () => times, `ASIA${times}`)
    const bad = (at: number, signer: string) =>
      within(`b${at}`, now, refuse('unauthenticated'), signer).catch((error: GilliamError) => error.code)
    for (let times = 0; times < refusedProofs.burst; times++) await bad(times, 'ASIASTRANGER')
    assert.equal(await bad(-1, 'ASIA0'), 'rate_limited', 'the first is a stranger again')
    assert.equal(await bad(-1, 'ASIA1'), 'unauthenticated')
  })

  it('reads the account that a key says to be of', () => {
    assert.equal(accountOfKey(ours), '029608264753')
    for (const none of ['', 'ASIA', 'ASIAQNZGKIQY56JQ7WM1', 'ABIAQNZGKIQY56JQ7WML', `${ours}A`]) assert.equal(accountOfKey(none), undefined)
  })
})
