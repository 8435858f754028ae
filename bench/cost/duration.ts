// How long an idle sync keeps its function busy, and how large its answer is: the bundle under the Runtime API in a process of its own.
import {exportedBy, functionSizes} from '#cdk/functions.ts'
import {startFunction} from '#test/lambda/function.ts'
import {startServices} from '#test/lambda/services.ts'
import {makeTestBundles} from '#test/lambda/stage.ts'
import {eventOf} from '#test/lambdas/event.ts'
import {startDatabase} from '#test/store/database.ts'
import {descriptor} from '#test/store/samples.ts'
import {cpuMsOf, round} from '../stages/figures.ts'

/** Until the compiler has done what it does. */
const warmCalls = 1_000
const calls = 3_000
/** Status line and headers as AWS sends them: date, content-type, content-length, apigw-requestid, ours. */
const headerBytes = 330
const ttlMs = 86_400_000

export interface SyncDuration {
  readonly syncCpuMs: number
  readonly answerBytes: number
}

export const measureSync = async (): Promise<SyncDuration> => {
  const [database, services, bundles] = await Promise.all([startDatabase(), startServices(), makeTestBundles()])
  const env = {
    GILLIAM_STAGE: 'bench',
    GILLIAM_TABLE: database.table,
    GILLIAM_LOG_GROUP: 'services',
    GILLIAM_DYNAMODB_ENDPOINT: database.endpoint,
    AWS_ENDPOINT_URL: services.url,
  }
  const memoryMib = functionSizes.sync?.memoryMib ?? 512
  const {bundle = '', handler} = exportedBy.sync ?? {}
  const fn = await startFunction({name: 'sync', folder: bundles.functionFolder(bundle), handler, env, memoryMib})
  try {
    await database.store.executors.join(descriptor('one'), Date.now())
    const credential = await database.store.tokens.createForExecutor('one', ttlMs, Date.now())
    if (credential.outcome !== 'ok') throw new Error(`no credential: ${credential.outcome}`)
    const {token} = credential.created
    const event = eventOf('syncExecutor', {token, params: {executor: 'one'}, body: {assignmentVersion: 1, reports: [], quietMs: 600_000}})
    const routeless = {...event, routeKey: '$default', pathParameters: undefined}
    const call = async () => (await fn.invoke(routeless)) as {readonly statusCode: number; readonly body: string}
    for (let at = 0; at < warmCalls; at++) await call()
    const before = cpuMsOf(fn.pid)
    for (let at = 0; at < calls; at++) await call()
    const syncCpuMs = round((cpuMsOf(fn.pid) - before) / calls, 2)
    const {statusCode, body} = await call()
    if (statusCode !== 200) throw new Error(`a sync was answered ${statusCode}: ${body}`)
    return {syncCpuMs, answerBytes: Buffer.byteLength(body) + headerBytes}
  } finally {
    await fn.stop()
    await Promise.all([database.stop(), services.stop()])
    bundles.remove()
  }
}
