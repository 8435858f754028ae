// Sizes that Fargate offers, and the smallest one that an instance fits into. Data and a choice; pure.
import type {Resources} from '#shared/domain/release.ts'

export interface TaskSize {
  /** Units of 1/1024 of a core. */
  readonly cpuUnits: number
  readonly memoryMib: number
}

interface Row {
  readonly cpuUnits: number
  readonly memoryMibMin: number
  readonly memoryMibMax: number
  readonly stepMib: number
}

/**
 * CPU with the memory it comes with: “Task CPU and memory” in the Amazon ECS Developer Guide, Linux, platform version 1.4.0 and later
 * (docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html). Memory above the least of a row goes by whole steps.
 */
export const fargateSizes: readonly Row[] = [
  {cpuUnits: 256, memoryMibMin: 512, memoryMibMax: 2_048, stepMib: 1_024},
  {cpuUnits: 512, memoryMibMin: 1_024, memoryMibMax: 4_096, stepMib: 1_024},
  {cpuUnits: 1_024, memoryMibMin: 2_048, memoryMibMax: 8_192, stepMib: 1_024},
  {cpuUnits: 2_048, memoryMibMin: 4_096, memoryMibMax: 16_384, stepMib: 1_024},
  {cpuUnits: 4_096, memoryMibMin: 8_192, memoryMibMax: 30_720, stepMib: 1_024},
  {cpuUnits: 8_192, memoryMibMin: 16_384, memoryMibMax: 61_440, stepMib: 4_096},
  {cpuUnits: 16_384, memoryMibMin: 32_768, memoryMibMax: 122_880, stepMib: 8_192},
]

const memoryOf = ({memoryMibMin, stepMib}: Row, memoryMib: number): number =>
  memoryMib <= memoryMibMin ? memoryMibMin : Math.ceil(memoryMib / stepMib) * stepMib

/** The smallest size with at least this CPU and memory; undefined when Fargate has none. */
export const taskSizeFor = ({cpuMilli, memoryMib}: Resources): TaskSize | undefined => {
  const cpuUnits = (cpuMilli * 1_024) / 1_000
  const row = fargateSizes.find(each => each.cpuUnits >= cpuUnits && each.memoryMibMax >= memoryMib)
  return row === undefined ? undefined : {cpuUnits: row.cpuUnits, memoryMib: memoryOf(row, memoryMib)}
}
