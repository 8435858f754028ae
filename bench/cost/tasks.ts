// What the parts of a stage that run all the time cost a month, by the hour: the relay and the agent of a Fargate executor. Pure.
import type {Counts, Line} from './price.ts'
import {executorMonth, idle, total} from './price.ts'
import {monthSeconds, prices} from './prices.ts'

/** As cdk/constructs/{data-plane,fargate}.ts have it: one task on arm64. */
export const task = {cpuUnits: 256, memoryMib: 512} as const
const cpuUnitsOfOne = 1_024
/** Zones that a load balancer has an address in: cdk/constructs/network.ts. */
const zones = 2
const hours = monthSeconds / 3_600

const taskLines = (): Line[] => [
  {
    what: 'task, 0.25 processors and 0.5 GiB on arm64',
    dollars: hours * ((task.cpuUnits / cpuUnitsOfOne) * prices.fargateCpuHour + (task.memoryMib / 1_024) * prices.fargateGbHour),
  },
  {what: 'its public address', dollars: hours * prices.addressHour},
]

/** `ownBalancer`: not at the router's. Without what is passed on, and without capacity units of the balancer, which count that. */
export const relayMonth = (ownBalancer: boolean): readonly Line[] => [
  ...taskLines(),
  {what: 'alarm', dollars: prices.alarmMetric},
  ...(ownBalancer
    ? [
        {what: 'load balancer', dollars: hours * prices.balancerHour},
        {what: 'its addresses', dollars: hours * zones * prices.addressHour},
      ]
    : []),
]

/** The agent alone: its instances are tasks of their own sizes. */
export const fargateAgentMonth = (counts: Counts): readonly Line[] => [
  ...taskLines(),
  {what: 'syncs, idle', dollars: total(executorMonth(counts, idle))},
]
