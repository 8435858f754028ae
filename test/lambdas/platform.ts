// All functions that answer requests, over a real embedded database, called as the gateway calls them. Blobs and log lines are kept in memory.
import assert from 'node:assert/strict'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {after, before} from 'node:test'
import type {FetchOptions} from '#lambdas/access/fetch.ts'
import {createAccessFunction} from '#lambdas/access/index.ts'
import {createArtifactsFunction} from '#lambdas/artifacts/index.ts'
import {createExecutorsFunction} from '#lambdas/executors/index.ts'
import {createFormationsFunction} from '#lambdas/formations/index.ts'
import {createLogsFunction} from '#lambdas/logs/index.ts'
import type {ApiFunction} from '#lambdas/middleware.ts'
import {createRegistryFunction} from '#lambdas/registry/index.ts'
import {createRoutingFunction} from '#lambdas/routing/index.ts'
import type {Store} from '#lambdas/store/index.ts'
import {openSecretBox} from '#local/secret-box.ts'
import type {LogLine} from '#shared/domain/assignment.ts'
import {type Endpoint, type EndpointName, endpoints, type FunctionName} from '#shared/endpoints.ts'
import {GilliamError, type Problem} from '#shared/errors.ts'
import {createExpressions} from '#shared/expressions.ts'
import {randomId} from '#shared/ids.ts'
import {createLogger} from '#shared/log.ts'
import {createOpenapi} from '#shared/openapi.ts'
import type {BlobStore, Denied, LogStore, OutsideSecrets} from '#shared/ports.ts'
import {startDatabase} from '#test/store/database.ts'
import {memoryDumps} from './dumps.ts'
import {type EventOptions, eventOf} from './event.ts'
import {createSts} from './sts.ts'

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever came back
  readonly body: any
}

const memoryLogs = (): LogStore & {readonly lines: LogLine[]} => {
  const lines: LogLine[] = []
  return {
    lines,
    append: async more => void lines.push(...more),
    read: async ({formation, service, instance, limit}) => {
      const mine = lines.filter(
        line => line.formation === formation && (!service || line.service === service) && (!instance || line.id === instance),
      )
      return {items: mine.slice(-limit).map(({formation: _, ...line}) => line), cursor: String(mine.length)}
    },
  }
}

const memoryBlobs = (): BlobStore & {readonly sizes: Map<string, number>} => {
  const sizes = new Map<string, number>()
  return {
    sizes,
    size: async sha256 => sizes.get(sha256),
    upload: async sha256 => ({url: `http://blobs.test/${sha256}?upload`, headers: {}}),
    downloadUrl: async sha256 => `http://blobs.test/${sha256}?download`,
  }
}

/** Values outside the platform, by `store formation/name`; `down` makes it answer nothing. */
const memorySecrets = (): OutsideSecrets & {readonly values: Map<string, string | Denied>; down: boolean} => {
  const memory = {
    values: new Map<string, string | Denied>(),
    down: false,
    read: async (store: string, formation: string, name: string) => {
      if (memory.down) throw new GilliamError('unavailable', 'Parameter Store does not answer.')
      return memory.values.get(`${store} ${formation}/${name}`)
    },
  }
  return memory
}

const asItIs = (store: Store): Store => store

/** Starts the database and makes every function over it. `clock.now` is the time they see. */
export const startPlatform = async (change = asItIs, level = 'warn', issuers: FetchOptions = {reach: 'machine'}) => {
  const database = await startDatabase()
  const store = change(database.store)
  const clock = {now: 1_750_000_000_000}
  const logged: string[] = []
  const log = createLogger('test', {level, destination: {write: line => void logged.push(line)}})
  const [logs, blobs, dumps, outside, sts] = [memoryLogs(), memoryBlobs(), memoryDumps(), memorySecrets(), createSts()]
  const folder = mkdtempSync(join(tmpdir(), 'gilliam-platform-'))
  const box = openSecretBox(join(folder, 'secret-key'))
  const deps = {store, log, now: () => clock.now, proofs: sts.proofs}
  const functions: Record<FunctionName, ApiFunction> = {
    formations: createFormationsFunction({...deps, randomId, expressions: createExpressions(), blobs, relay: 'ws://relay.test/'}),
    executors: createExecutorsFunction({
      ...deps,
      logs,
      timing: {busyMs: 1_000, idleMs: 10_000},
      secrets: {stage: 'test', box, outside},
    }),
    registry: createRegistryFunction({...deps, nextPollMs: 500, idlePollMs: 2_000}),
    routing: createRoutingFunction(deps),
    artifacts: createArtifactsFunction({...deps, blobs, dumps}),
    logs: createLogsFunction({...deps, logs}),
    access: createAccessFunction({
      ...deps,
      stage: 'test',
      issuers,
      box,
      version: '0.0.0',
      openapi: createOpenapi({version: '0.0.0'}),
    }),
  }
  const admin = (await database.store.tokens.create({name: 'admin', scope: 'admin', ttlMs: 365 * 86_400_000}, clock.now)).token

  /** Calls an endpoint, as admin unless `token` says otherwise; every success must fit its schema, every failure must be a problem document. */
  const call = async (name: EndpointName, options: EventOptions = {}): Promise<Reply> => {
    const endpoint: Endpoint = endpoints[name]
    const answer = await functions[endpoint.function](eventOf(name, {token: admin, ...options}))
    const status = answer.statusCode ?? 0
    const text = answer.body ?? ''
    const body = text === '' ? undefined : JSON.parse(text)
    assert.ok(answer.headers?.['x-request-id'])
    if (status < 400) {
      assert.equal(status, endpoint.status)
      if (endpoint.response === undefined) assert.equal(text, '')
      else endpoint.response.parse(body)
    } else checkProblem(status, answer.headers?.['content-type'], body)
    return {status, headers: answer.headers ?? {}, text, body}
  }

  const tokenOf = async (scope: 'join' | 'registry' | 'discovery', formation?: string): Promise<string> =>
    (await database.store.tokens.create({name: scope, scope, ...(formation && {formations: [formation]}), ttlMs: 86_400_000}, clock.now))
      .token

  const stop = async (): Promise<void> => {
    await database.stop()
    rmSync(folder, {recursive: true})
  }
  return {database, store, clock, functions, admin, call, tokenOf, logs, blobs, dumps, outside, sts, logged, stop}
}

export type Platform = Awaited<ReturnType<typeof startPlatform>>

const checkProblem = (status: number, contentType: unknown, body: Problem): void => {
  assert.equal(contentType, 'application/problem+json')
  assert.equal(body.status, status)
  assert.equal(body.type, `https://gilliam.dev/errors#${body.code}`)
  assert.ok(body.detail.length > 0 && body.title.length > 0 && body.requestId)
}

/** A platform with the formation `crm`, started before the tests of the suite that asks for it, and stopped after them. */
export const platformForSuite = (): {current: () => Platform; call: Platform['call']} => {
  let platform: Platform | undefined
  const current = (): Platform => {
    assert(platform !== undefined, 'only tests of the suite may use its platform')
    return platform
  }
  before(async () => {
    platform = await startPlatform()
    await platform.call('createFormation', {body: {name: 'crm'}})
  })
  after(() => platform?.stop())
  return {current, call: (name, options) => current().call(name, options)}
}
