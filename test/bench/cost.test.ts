// That docs/cost.md says what follows from the counts and the prices, and that the counts are still what the code takes.
import assert from 'node:assert/strict'
import {readFileSync} from 'node:fs'
import {after, before, describe, it} from 'node:test'
import {countRenewal, countSync, startCounting} from '#bench/cost/count.ts'
import {type Counts, executorMonth, idle, total} from '#bench/cost/price.ts'
import {monthSeconds, prices, pricesAsOf} from '#bench/cost/prices.ts'
import {quotas} from '#bench/cost/quotas.ts'
import {type MeteredStage, startMeteredStage} from '#bench/cost/stage.ts'
import {
  executorTable,
  goal,
  leverTable,
  pollerTable,
  pollSecondsIdle,
  quotaTable,
  stageLinesTable,
  stageTable,
  taskTable,
} from '#bench/cost/tables.ts'
import {task} from '#bench/cost/tasks.ts'
import {alarmsOf} from '#cdk/alarm-list.ts'
import {functionNames} from '#cdk/bundles.ts'
import {syncMsMax} from '#shared/domain/pace.ts'

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const counts = JSON.parse(read('bench/cost/counts.json')) as Counts

/** Metrics that alarms of the smallest stage look at. */
const alarmMetrics = (): number => {
  const functions = Object.fromEntries([...functionNames, 'sync'].map(name => [name, name]))
  const alarms = alarmsOf({apiId: 'api', functions, table: 'table', deadLetters: {stream: 's', timers: 't'}})
  const countOf = ({metric}: (typeof alarms)[number]): number => {
    const {mathExpression} = metric.toMetricConfig()
    return mathExpression === undefined ? 1 : Object.keys(mathExpression.usingMetrics).length
  }
  return alarms.reduce((sum, alarm) => sum + countOf(alarm), 0)
}

describe('docs/cost.md', () => {
  const page = read('docs/cost.md')
  const tables: Readonly<Record<string, string>> = {
    executor: executorTable(counts),
    stage: stageTable(counts, alarmMetrics()),
    'stage by line': stageLinesTable(counts, alarmMetrics()),
    levers: leverTable(counts),
    pollers: pollerTable(counts),
    tasks: taskTable(counts),
    quotas: quotaTable(counts),
  }
  for (const [name, table] of Object.entries(tables))
    it(`has the table of ${name} as it is reckoned`, () => assert.ok(page.includes(table), `docs/cost.md should have\n\n${table}\n`))

  it('says as of when its prices are', () => assert.ok(page.includes(`as of ${pricesAsOf}`)))

  it('reckons the throttle that the templates set', () => {
    const [, limit] = /requestsPerSecondMax = ([\d_]+)/.exec(read('cdk/constructs/api.ts')) ?? []
    assert.equal(Number(limit?.replaceAll('_', '')), quotas.find(({name}) => name.startsWith('throttle of the stage'))?.limit)
  })

  it('reckons tasks of the size that the templates have', () => {
    for (const [file, name] of [
      ['data-plane', 'task'],
      ['fargate', 'agent'],
    ]) {
      const text = read(`cdk/constructs/${file}.ts`)
      const [, cpu] = new RegExp(`${name}Cpu = (\\d+)`).exec(text) ?? []
      const [, memory] = new RegExp(`${name}MemoryMib = (\\d+)`).exec(text) ?? []
      assert.deepEqual([Number(cpu), Number(memory)], [task.cpuUnits, task.memoryMib], file)
    }
  })

  it('reckons how often idle agents, routers and proxies ask as the functions have it', () => {
    const defaultOf = (path: string, variable: string): number =>
      Number(new RegExp(`'${variable}', ([\\d_]+)`).exec(read(path))?.[1]?.replaceAll('_', ''))
    assert.equal(defaultOf('lambdas/executors/handler.ts', 'GILLIAM_SYNC_IDLE_MS'), idle.syncSeconds * 1_000)
    assert.equal(idle.syncSeconds * 1_000, syncMsMax, 'agents take it')
    assert.equal(defaultOf('lambdas/registry/handler.ts', 'GILLIAM_POLL_IDLE_MS'), pollSecondsIdle * 1_000)
  })
})

describe('what an executor costs', () => {
  it('is its calls times their prices: by hand for requests, writes and reads', () => {
    const one = {...counts, renewal: {apiCalls: 0, invocations: 0, readUnits: 0, writeUnits: 0}}
    const lines = new Map(executorMonth(one, {...idle, entry: 'api'}).map(({what, dollars}) => [what, dollars]))
    const syncs = monthSeconds / 20 / 1e6
    assert.equal(syncs, 0.1314)
    const by = (what: string, dollars: number): void => assert.ok(Math.abs((lines.get(what) ?? 0) - dollars) < 1e-9, what)
    by('API Gateway', syncs * prices.apiMillionRequests)
    by('Lambda, requests', syncs * prices.lambdaMillionRequests)
    by('DynamoDB, writes', syncs * counts.sync.writeUnits * prices.writeMillionUnits)
    by('DynamoDB, reads', syncs * counts.sync.readUnits * prices.readMillionUnits)
  })

  it('grows as often as it syncs, and shrinks without API Gateway', () => {
    const each = (change: object): number => total(executorMonth(counts, {...idle, ...change}))
    assert.ok(each({syncSeconds: 1}) > 8 * each({}))
    assert.ok(each({entry: 'api'}) > each({}) + 0.125)
    assert.ok(each({callLog: true}) > each({}))
  })

  it('is within the goal', () => {
    assert.ok(total(executorMonth(counts, idle)) <= goal)
  })
})

describe('the counts', () => {
  let stage: MeteredStage
  before(async () => {
    stage = await startMeteredStage()
  })
  after(() => stage.stop())

  it('of a sync and of a renewal are what the code takes', async () => {
    const {agent} = await startCounting(stage)
    const sync = await countSync(stage, agent)
    assert.deepEqual(sync, counts.sync)
    assert.deepEqual([sync.apiCalls, sync.readUnits, Math.floor(sync.writeUnits)], [1, 1, 1], 'idle: one read and one write')
    const {readUnits: _, invocations: __, ...renewal} = await countRenewal(stage, agent, sync)
    const {readUnits: ___, invocations: ____, ...counted} = counts.renewal
    // Which batches of the stream its writes come in, and what is read then, is chance.
    assert.deepEqual(renewal, counted)
  })
})
