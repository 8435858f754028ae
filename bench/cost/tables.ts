// The tables of docs/cost.md, as Markdown. A test holds the page to them. Pure.
import {busy, type Counts, executorMonth, idle, type Line, pollerMonth, type Running, stageMonth, total} from './price.ts'
import {executorsUntil, quotas} from './quotas.ts'
import {fargateAgentMonth, relayMonth} from './tasks.ts'

const dollars = (value: number, digits = 2): string =>
  `$${value.toLocaleString('en-US', {minimumFractionDigits: digits, maximumFractionDigits: digits})}`
const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [row(head), row(head.map((_, at) => (at === 0 ? '---' : '---:'))), ...rows.map(row)].join('\n')

const byLine = (idleLines: readonly Line[], busyLines: readonly Line[]): string[][] =>
  idleLines.map(({what, dollars: each}, at) => [what, dollars(each, 3), dollars(busyLines[at]?.dollars ?? 0, 3)])

export const executorTable = (counts: Counts): string => {
  const [quiet, loud] = [executorMonth(counts, idle), executorMonth(counts, busy)]
  return table(
    ['A month of one executor', 'idle', 'busy'],
    [...byLine(quiet, loud), ['**together**', `**${dollars(total(quiet), 3)}**`, `**${dollars(total(loud), 3)}**`]],
  )
}

const executorCounts = [1, 10, 100, 1_000]

export const stageTable = (counts: Counts, alarmMetrics: number): string =>
  table(
    ['Executors', 'the stage itself', 'idle, all', 'idle, each', 'busy, all', 'busy, each'],
    executorCounts.map(executors => {
      const own = total(stageMonth(counts, executors, alarmMetrics))
      const all = (running: Running): number => own + executors * total(executorMonth(counts, running))
      const cells = [idle, busy].flatMap(running => [dollars(all(running)), dollars(all(running) / executors)])
      return [executors.toLocaleString('en-US'), dollars(own), ...cells]
    }),
  )

export const stageLinesTable = (counts: Counts, alarmMetrics: number): string => {
  const [small, large] = [stageMonth(counts, 1, alarmMetrics), stageMonth(counts, 1_000, alarmMetrics)]
  return table(['The stage itself', '1 executor', '1,000 executors'], byLine(small, large))
}

/** Ways to the goal, in the order in which they take something away. */
const levers: readonly (readonly [string, Partial<Running>])[] = [
  ['by the API every 10 s, with START, END and REPORT in the log', {callLog: true, entry: 'api', syncSeconds: 10}],
  ['the same, without those lines', {entry: 'api', syncSeconds: 10}],
  ['the same, every 20 s: `-c syncUrl=false`', {entry: 'api'}],
  ['a function URL for syncs, every 10 s', {syncSeconds: 10}],
  ['a function URL for syncs, every 15 s', {syncSeconds: 15}],
  ['as it is deployed: a function URL, every 20 s', {}],
]

export const goal = 0.2

export const leverTable = (counts: Counts): string =>
  table(
    ['An idle executor', 'a month', `at most ${dollars(goal)}`],
    levers.map(([what, change]) => {
      const each = total(executorMonth(counts, {...idle, ...change}))
      return [what, dollars(each, 3), each <= goal ? 'yes' : 'no']
    }),
  )

/** When nothing changed for 40 s and more. */
export const pollSecondsIdle = 10

export const pollerTable = (counts: Counts): string =>
  table(
    ['A router or proxy that asks every', 'a month'],
    [2, 5, pollSecondsIdle].map(seconds => [`${seconds} s`, dollars(total(pollerMonth(counts, seconds)))]),
  )

export const taskTable = (counts: Counts): string => {
  const columns = [relayMonth(false), relayMonth(true), fargateAgentMonth(counts)]
  const names = [...new Set(columns.flatMap(lines => lines.map(({what}) => what)))]
  const cellOf = (lines: readonly Line[], name: string): string => {
    const found = lines.find(({what}) => what === name)
    return found === undefined ? '' : dollars(found.dollars)
  }
  return table(
    ['A month', "relay at the router's balancer", 'relay with one of its own', 'agent of a Fargate executor'],
    [
      ...names.map(name => [name, ...columns.map(lines => cellOf(lines, name))]),
      ['**together**', ...columns.map(lines => `**${dollars(total(lines))}**`)],
    ],
  )
}

export const quotaTable = (counts: Counts): string =>
  table(
    ['Limit', 'is', 'idle executors', 'busy executors', 'to raise it'],
    quotas.map(quota => [
      quota.name,
      `${quota.limit.toLocaleString('en-US')} ${quota.unit}`,
      executorsUntil(quota, counts, idle).toLocaleString('en-US'),
      executorsUntil(quota, counts, busy).toLocaleString('en-US'),
      quota.raise,
    ]),
  )
