// An agent whose clock is wrong, by minutes or a day, against the real control plane: its credential is renewed in time, by the control plane's clock alone,
// and still is when its clock is put right.
import assert from 'node:assert/strict'
import {writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {after, before, describe, it} from 'node:test'
import {Connection} from '#agent/connection.ts'
import {executorTokenTtlMs} from '#lambdas/executors/join.ts'
import {createClient} from '#shared/client.ts'
import {startControlPlane} from '#test/cli/control-plane.ts'
import {descriptor} from '#test/store/samples.ts'
import {temporaryFolder} from './fixtures.ts'

const minuteMs = 60_000
const dayMs = 86_400_000
const idle = {assignmentVersion: 0, reports: [], logs: [], holdMs: 0, quietMs: 0}

let passedMs = 0
const now = (): number => Date.now() + passedMs
let plane: Awaited<ReturnType<typeof startControlPlane>>
let joinToken = ''
before(async () => {
  plane = await startControlPlane(now)
  const client = createClient({api: plane.url, token: plane.token})
  joinToken = (await client.call('createToken', {body: {name: 'join', scope: 'join', ttlSeconds: 90 * 86_400}})).token ?? ''
})
after(() => plane.stop())

for (const [name, skewMs] of Object.entries({
  'ten minutes early': -10 * minuteMs,
  'ten minutes late': 10 * minuteMs,
  'a day early': -dayMs,
  'a day late': dayMs,
})) {
  describe(`an agent that is ${name}`, () => {
    it('keeps its credential over many of its lifetimes, and after its clock is put right', async t => {
      const home = temporaryFolder(t)
      const tokenFile = join(home, 'join-token')
      writeFileSync(tokenFile, joinToken)
      const executor = `skewed-${skewMs < 0 ? 'early' : 'late'}-${Math.abs(skewMs)}`
      let joins = 0
      const connect = (wallClock: () => number) =>
        new Connection({
          ...{api: plane.url, descriptor: descriptor(executor), wallClock, now: () => passedMs, join: {tokenFile}},
          ...{credentialFile: join(home, 'credential.json'), keyFile: join(home, 'key')},
          onJoined: () => {
            joins += 1
          },
          onTaken: () => assert.fail('taken'),
          onLost: () => assert.fail('lost'),
          onUnsaved: () => assert.fail('unsaved'),
        })
      const skewed = connect(() => now() + skewMs)
      // A sync that is refused for its credential throws.
      for (let syncs = 0; syncs < 12; syncs++) {
        await skewed.sync(idle)
        passedMs += executorTokenTtlMs * 0.3
      }
      await skewed.sync(idle)
      const right = connect(now)
      await right.sync(idle)
      assert.equal(joins, 1, 'it never had to join again')
    })
  })
}
