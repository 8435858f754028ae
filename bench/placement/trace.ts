// A production trace as executors and waiting instances: read from two CSV files, or generated in the same shape. CPU and memory are reserved; GPUs are
// not (Gilliam does not count them): their number and model are labels, and a task requires an executor that has enough of the right model.
import {readFileSync} from 'node:fs'
import type {Executor} from '#shared/domain/executor.ts'
import type {PendingInstance} from '#shared/domain/placement.ts'
import {executorOf, randomFrom} from './generate.ts'

interface TraceNode {
  readonly name: string
  readonly cpuMilli: number
  readonly memoryMib: number
  readonly gpus: number
  readonly model: string
}

interface TraceTask {
  readonly name: string
  readonly cpuMilli: number
  readonly memoryMib: number
  readonly gpus: number
  /** Models it may run on; none: any. */
  readonly models: readonly string[]
  readonly createdAt: number
}

export interface Trace {
  readonly nodes: readonly TraceNode[]
  readonly tasks: readonly TraceTask[]
}

/** Rows of a CSV file without quoting, by column name. Throws when a column is missing. */
const readCsv = (path: string, columns: readonly string[]): Record<string, string>[] => {
  const [header = '', ...lines] = readFileSync(path, 'utf8').trim().split(/\r?\n/)
  const names = header.split(',')
  const missing = columns.filter(column => !names.includes(column))
  if (missing.length > 0) throw new Error(`${path} has no column ${missing.join(', ')}`)
  return lines.map(line => Object.fromEntries(line.split(',').map((value, at) => [names[at], value])))
}

/** Reads nodes (`sn, cpu_milli, memory_mib, gpu, model`) and pods (`name, cpu_milli, memory_mib, num_gpu, gpu_spec, creation_time`, others ignored). */
export const readTrace = (nodesPath: string, podsPath: string): Trace => ({
  nodes: readCsv(nodesPath, ['sn', 'cpu_milli', 'memory_mib', 'gpu', 'model']).map(row => ({
    name: row.sn ?? '',
    cpuMilli: Number(row.cpu_milli),
    memoryMib: Number(row.memory_mib),
    gpus: Number(row.gpu),
    model: row.model ?? '',
  })),
  tasks: readCsv(podsPath, ['name', 'cpu_milli', 'memory_mib', 'num_gpu', 'gpu_spec', 'creation_time']).map(row => ({
    name: row.name ?? '',
    cpuMilli: Number(row.cpu_milli),
    memoryMib: Number(row.memory_mib),
    gpus: Number(row.num_gpu),
    models: (row.gpu_spec ?? '').split('|').filter(model => model !== ''),
    createdAt: Number(row.creation_time),
  })),
})

const models = ['V100M16', 'V100M32', 'P100', 'T4', 'G2', 'G3']
const nodesGenerated = 1_500
const tasksGenerated = 8_000

/** Machines with 0, 2, 4 or 8 GPUs; tasks of a few common sizes, most with one GPU and any model. */
export const generateTrace = (): Trace => {
  const random = randomFrom(11)
  const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)] as T
  return {
    nodes: Array.from({length: nodesGenerated}, (_, index) => {
      const gpus = pick([0, 0, 2, 2, 4, 8, 8, 8])
      return {
        name: `node-${String(index).padStart(4, '0')}`,
        cpuMilli: pick([32_000, 64_000, 96_000, 128_000]),
        memoryMib: pick([131_072, 262_144, 393_216, 786_432]),
        gpus,
        model: gpus === 0 ? '' : pick(models),
      }
    }),
    tasks: Array.from({length: tasksGenerated}, (_, index) => {
      const gpus = pick([0, 0, 1, 1, 1, 1, 1, 2, 4, 8])
      return {
        name: `task-${String(index).padStart(4, '0')}`,
        cpuMilli: pick([1_000, 2_000, 4_000, 6_000, 8_000, 8_910, 11_908, 16_000, 32_000]),
        memoryMib: pick([2_048, 4_096, 8_192, 16_384, 30_517, 32_768, 65_536]),
        gpus,
        models: gpus > 0 && random() < 0.3 ? [pick(models), pick(models)] : [],
        createdAt: index,
      }
    }),
  }
}

/** The machines as executors, `times` over. */
export const executorsOf = ({nodes}: Trace, times: number): Executor[] =>
  Array.from({length: times}, (_, copy) =>
    nodes.map(({name, cpuMilli, memoryMib, gpus, model}) =>
      executorOf(`${name}-${copy}`, {
        cpuMilli,
        memoryMib,
        labels: {gpus: String(gpus), ...(model === '' ? {} : {gpu_model: model})},
      }),
    ),
  ).flat()

const requirementsOf = ({gpus, models: allowed}: TraceTask): string[] => {
  if (gpus === 0) return []
  const enough = `double(executor.labels.gpus) >= ${gpus}`
  return allowed.length === 0 ? [enough] : [enough, `executor.labels.gpu_model in ${JSON.stringify(allowed)}`]
}

/** Tasks with GPUs go where the most CPU is free; others keep away from GPUs. */
const rankOf = ({gpus}: TraceTask): string =>
  gpus > 0 ? 'executor.cpu_free - double(executor.labels.gpus)' : '-1000 * double(executor.labels.gpus) - executor.instances'

/** The tasks as waiting instances, in order of submission, `times` over; none ever ends. */
export const pendingOf = ({tasks}: Trace, times: number): PendingInstance[] =>
  Array.from({length: times}, (_, copy) =>
    tasks.map(task => ({
      formation: 'trace',
      service: 'task',
      id: `${task.name}-${copy}`,
      resources: {cpuMilli: task.cpuMilli, memoryMib: task.memoryMib},
      requirements: requirementsOf(task),
      rank: rankOf(task),
      runtime: 'process' as const,
      ports: [],
      createdAt: task.createdAt,
    })),
  ).flat()
