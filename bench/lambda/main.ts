// What functions cost on Lambda before they do anything: size of the bundle, time to start, time of a warm call, memory. Each bundle runs under the Runtime
// API in a process of its own (test/lambda/function.ts); next to them an empty function, which is what the runtime itself takes. Not Lambda's machines: the
// ratios hold, the milliseconds are this machine's.
import {mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {gzipSync} from 'node:zlib'
import {functionNames} from '#cdk/bundles.ts'
import {functionSizes} from '#cdk/functions.ts'
import type {EndpointName} from '#shared/endpoints.ts'
import {clientName, type RunningFunction, startFunction} from '#test/lambda/function.ts'
import {type Services, startServices} from '#test/lambda/services.ts'
import {makeTestBundles, scheduled, stageVariables} from '#test/lambda/stage.ts'
import {eventOf} from '#test/lambdas/event.ts'
import {startDatabase, type TestDatabase} from '#test/store/database.ts'
import type {Bench, Row} from '../bench.ts'
import {cpuMsOf, round} from '../stages/figures.ts'

interface Subject {
  readonly name: string
  readonly folder: string
}

/** A call that each function answers from warm: a read where it has one. */
const endpointOf: Readonly<Record<string, EndpointName>> = {
  formations: 'listFormations',
  executors: 'listExecutors',
  registry: 'discover',
  routing: 'listRoutes',
  artifacts: 'createArtifact',
  logs: 'getLogs',
  access: 'listTokens',
}

const optionsOf: Readonly<Record<string, object>> = {
  registry: {body: {formations: {crm: 0}, routes: 0}},
  artifacts: {body: {sha256: 'a'.repeat(64), bytes: 10}},
  logs: {params: {formation: 'crm'}},
}

const eventFor = (name: string, token: string): unknown => {
  const endpoint = endpointOf[name]
  if (endpoint !== undefined) return eventOf(endpoint, {token, ...optionsOf[name]})
  return name === 'capacity' ? {Records: []} : scheduled()
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

const envOf = (database: TestDatabase, services: Services): Record<string, string> => ({
  ...stageVariables('bench', database, services),
  GILLIAM_LOG_LEVEL: 'silent',
  GILLIAM_DYNAMODB_ENDPOINT: database.endpoint,
  AWS_ENDPOINT_URL: services.url,
})

/** Milliseconds of calls one after the other, the first of which opens connections. */
const timeCalls = async (fn: RunningFunction, event: unknown, calls: number) => {
  const times: number[] = []
  const cold = Math.ceil(calls / 4)
  let cpuMs = 0
  for (let call = 0; call < calls; call++) {
    if (call === cold) cpuMs = cpuMsOf(fn.pid)
    const startedAt = performance.now()
    await fn.invoke(event)
    times.push(performance.now() - startedAt)
  }
  return {first: times[0] ?? 0, warm: median(times.slice(cold)), cpu: (cpuMsOf(fn.pid) - cpuMs) / (calls - cold)}
}

/** An empty function with a bundle's folder. */
const makeEmpty = (): Subject => {
  const folder = join(mkdtempSync(join(tmpdir(), 'gilliam-empty-')), 'empty')
  mkdirSync(folder)
  writeFileSync(join(folder, 'index.mjs'), 'export const handler = async () => ({})\n')
  return {name: 'empty', folder}
}

/** `--quick` starts each once. */
export const run: Bench = async ({quick, progress}) => {
  const [database, services, bundles] = await Promise.all([startDatabase(), startServices(), makeTestBundles()])
  const empty = makeEmpty()
  const [rounds, calls] = quick ? [1, 20] : [5, 200]
  progress(`driven by ${clientName}; ${rounds} starts of each in turns, ${calls} calls`)
  try {
    await database.store.formations.create('crm', Date.now())
    const {token} = await database.store.tokens.create({name: 'bench', scope: 'admin', ttlMs: 3_600_000}, Date.now())
    // Setup makes tokens at each call: it runs once in a stage's life.
    const names = functionNames.filter(name => name !== 'setup')
    const subjects = [empty, ...names.map(name => ({name, folder: bundles.functionFolder(name)}))]
    const starts = new Map<string, number[]>(subjects.map(({name}) => [name, []]))
    const rows: Row[] = []
    for (let at = 1; at <= rounds; at++) {
      for (const {name, folder} of subjects) {
        const memoryMib = functionSizes[name]?.memoryMib ?? 128
        const fn = await startFunction({name, folder, env: envOf(database, services), memoryMib})
        starts.get(name)?.push(fn.initMs)
        if (at === rounds) {
          const {first, warm, cpu} = await timeCalls(fn, eventFor(name, token), calls)
          rows.push({
            candidate: name,
            scenario: endpointOf[name] ?? (name === 'empty' ? 'nothing' : 'tick'),
            ...sizeOf(folder),
            startMs: Math.round(median(starts.get(name) ?? [])),
            firstCallMs: round(first, 1),
            warmP50Ms: round(warm, 2),
            // Says the same on a busy machine; times of a few calls do not.
            warmCpuMs: round(cpu, 2),
            peakMib: fn.memory().peak,
          })
        }
        await fn.stop()
      }
    }
    return rows
  } finally {
    await Promise.all([database.stop(), services.stop()])
    bundles.remove()
    rmSync(join(empty.folder, '..'), {recursive: true, force: true})
  }
}

const sizeOf = (folder: string) => {
  const file = join(folder, 'index.mjs')
  return {bundleKb: Math.round(statSync(file).size / 1_024), gzipKb: Math.round(gzipSync(readFileSync(file)).length / 1_024)}
}
