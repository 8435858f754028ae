// The real control plane for the CLI's tests: all functions over an embedded database behind the local gateway, without agents. The test moves it on.
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {openBlobs} from '#local/blobs.ts'
import {createFunctions} from '#local/functions.ts'
import {startGateway} from '#local/gateway.ts'
import {openLogs} from '#local/logs.ts'
import {openSecretBox} from '#local/secret-box.ts'
import {slugBytesMax} from '#shared/api.ts'
import {endpoints} from '#shared/endpoints.ts'
import {createLogger} from '#shared/log.ts'
import {startDatabase} from '#test/store/database.ts'

/** `now`: the clock of the control plane, in milliseconds since the epoch. */
export const startControlPlane = async (now: () => number = Date.now) => {
  const folder = mkdtempSync(join(tmpdir(), 'gilliam-control-plane-'))
  const database = await startDatabase()
  const log = createLogger('test', {level: 'silent'})
  const late = {url: ''}
  const blobs = await openBlobs({
    folder: join(folder, 'blobs'),
    secret: 'secret',
    baseUrl: () => late.url,
    bytesMax: slugBytesMax,
    now,
    log,
  })
  const functions = createFunctions({
    store: database.store,
    blobs,
    dumps: blobs.dumps,
    logs: await openLogs({folder: join(folder, 'logs'), now}),
    box: openSecretBox(join(folder, 'secret-key')),
    stage: 'test',
    loopbackIssuers: true,
    version: '0.0.0',
    timing: {busyMs: 100, idleMs: 500},
    nextPollMs: 500,
    now,
    log,
    wakeAt: () => undefined,
  })
  const gateway = await startGateway({table: endpoints, functions: functions.api, other: blobs.serve, port: 0, now, log})
  late.url = `http://127.0.0.1:${gateway.port}`
  const {token} = await database.store.tokens.create({name: 'test', scope: 'admin', ttlMs: 3_600_000}, now())
  return {
    url: late.url,
    token,
    /** One run of the reconciler over a formation, then one of the scheduler. */
    tick: async (formation: string) => {
      await functions.wake(formation)
      await functions.ticks.scheduler()
    },
    stop: async () => {
      await gateway.close()
      await database.stop()
      rmSync(folder, {recursive: true, force: true})
    },
  }
}
