// When waiting for instances ends: verdicts, and each way of giving up, on a clock that the test moves.
import assert from 'node:assert/strict'
import {describe, it} from 'node:test'
import type {Instance} from '#cli/render.ts'
import type {Session} from '#cli/session.ts'
import {failedAfterMs, type Look, stalledAfterMs, unplaceableAfterMs, watch} from '#cli/watch.ts'
import {at, instance} from './samples.ts'

/** A session whose clock moves when somebody sleeps. */
const createSession = (lines: readonly string[] = []) => {
  const clock = {now: at}
  const calls: string[] = []
  const session = {
    now: () => clock.now,
    sleep: async (ms: number) => {
      clock.now += ms
    },
    paintErr: (_: string, text: string) => text,
    progress: {say: () => undefined, show: () => undefined, end: () => undefined},
    client: async () => ({
      call: async (name: string) => {
        calls.push(name)
        return {items: lines.map(text => ({service: 'users', id: 'a', at, stream: 'stderr', text})), cursor: 'c'}
      },
    }),
  }
  return {session: session as unknown as Session, elapsed: () => clock.now - at, calls}
}

const looking =
  (instances: readonly Instance[] | ((ms: number) => readonly Instance[]), elapsed: () => number): (() => Promise<Look>) =>
  async () => ({instances: typeof instances === 'function' ? instances(elapsed()) : instances, verdict: undefined})

describe('watching', () => {
  it('ends with the verdict', async () => {
    const {session} = createSession()
    const verdicts = [undefined, undefined, {ok: true as const}]
    assert.deepEqual(await watch(session, async () => ({instances: [], verdict: verdicts.shift()})), {ok: true, tookMs: 800})
    const failed = await watch(createSession(['no disk\u001b[2J']).session, async () => ({
      instances: [instance({state: 'failed', exitCode: 3, reason: 'died'}), instance({id: 'b', state: 'starting'})],
      verdict: {ok: false, reason: 'three\nfailed'},
    }))
    assert.deepEqual(failed, {
      ok: false,
      reason: 'three\\x0afailed',
      lines: ['users.aaaaaaaaaa failed: died (exit code 3)', '    | no disk\\x1b[2J'],
    })
  })

  it('gives up on what no executor takes, and asks no log for it', async () => {
    const {session, elapsed, calls} = createSession()
    const waiting = instance({state: 'pending', executor: undefined, reason: 'none fits'})
    const watched = await watch(session, looking([waiting, instance({id: 'b'})], elapsed))
    assert.ok(!watched.ok && watched.reason === 'no executor fits')
    assert.deepEqual(watched.lines, [
      'users.aaaaaaaaaa pending: none fits',
      '    `gilliam explain users.aaaaaaaaaa` shows why, executor by executor',
    ])
    assert.ok(elapsed() > unplaceableAfterMs && elapsed() < unplaceableAfterMs + 1_000)
    assert.deepEqual(calls, [])
  })

  it('waits on while something else still starts', async () => {
    const {session, elapsed} = createSession()
    const waiting = instance({state: 'pending', executor: undefined, reason: 'none fits'})
    const watched = await watch(session, looking([waiting, instance({id: 'b', state: 'starting'})], elapsed))
    assert.ok(!watched.ok && watched.reason.startsWith('nothing more runs after 50.'))
    assert.ok(elapsed() > stalledAfterMs && elapsed() < 60_000)
  })

  it('gives up on a service of which only failed instances are seen, unless one runs after all', async () => {
    const failed = instance({state: 'failed', reason: 'exit code 1'})
    const broken = createSession()
    const watched = await watch(broken.session, looking([failed, instance({service: 'web', id: 'w'})], broken.elapsed))
    assert.ok(!watched.ok && watched.reason === 'no instance of users stays up')
    assert.ok(broken.elapsed() > failedAfterMs && broken.elapsed() < failedAfterMs + 1_000)
    assert.deepEqual(watched.lines, ['users.aaaaaaaaaa failed: exit code 1', '    (it wrote nothing)'])
    const healed = createSession()
    const again = await watch(
      healed.session,
      looking(ms => (ms < 10_000 ? [failed] : [failed, instance({id: 'b'})]), healed.elapsed),
    )
    assert.ok(!again.ok && again.reason.startsWith('nothing more runs'), 'waits for the verdict')
  })

  it('starts the clock anew whenever one more runs', async () => {
    const {session, elapsed} = createSession()
    const many = (ms: number) => Array.from({length: Math.min(4, 1 + Math.floor(ms / 40_000))}, (_, n) => instance({id: `i${n}`}))
    const watched = await watch(session, looking(many, elapsed))
    assert.ok(!watched.ok)
    assert.ok(elapsed() > 120_000 + stalledAfterMs)
  })
})
