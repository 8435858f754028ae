// What a requirement or rank can read of an executor: the variables, their units, and how they follow from the executor's state. Pure.
import type {Executor} from './executor.ts'

/**
 * Every variable of `executor.…`, with its CEL type. `dynamic` ones change when an instance is placed on the executor. docs/expressions.md lists the
 * same variables (test/expressions compares them).
 */
export const executorVariables = {
  id: {type: 'string', dynamic: false},
  host: {type: 'string', dynamic: false},
  zone: {type: 'string', dynamic: false},
  domain: {type: 'string', dynamic: false},
  network: {type: 'string', dynamic: false},
  tags: {type: 'list<string>', dynamic: false},
  labels: {type: 'map<string, string>', dynamic: false},
  runtimes: {type: 'list<string>', dynamic: false},
  cpu_total: {type: 'double', dynamic: false},
  cpu_free: {type: 'double', dynamic: true},
  memory_total: {type: 'double', dynamic: false},
  memory_free: {type: 'double', dynamic: true},
  disk_free: {type: 'double', dynamic: false},
  instances: {type: 'double', dynamic: true},
  same_service: {type: 'double', dynamic: true},
  same_formation: {type: 'double', dynamic: true},
  price: {type: 'double', dynamic: false},
  type: {type: 'string', dynamic: false},
} as const satisfies Record<string, {type: string; dynamic: boolean}>

export type ExecutorVariable = keyof typeof executorVariables

const noLabels: ReadonlyMap<string, string> = new Map()

const labelsOf = ({labels}: Executor): ReadonlyMap<string, string> => {
  const entries = Object.entries(labels)
  return entries.length === 0 ? noLabels : new Map(entries)
}

/** One executor as expressions see it. A class so that the expression engine knows its fields' types; the fields are plain data. */
export class ExecutorFacts {
  readonly id: string
  readonly host: string
  zone: string
  domain: string
  network: string
  tags: readonly string[]
  /** A map, not an object: no label’s name can be mistaken for a property every object has. */
  labels: ReadonlyMap<string, string>
  runtimes: readonly string[]
  /** Cores. */
  cpu_total: number
  cpu_free: number
  /** MiB. */
  memory_total: number
  memory_free: number
  /** MiB; 0 when unknown. */
  disk_free: number
  /** Instances assigned to it, of all formations. */
  instances: number
  /** Of those, the ones of the service, and of the formation, that is being placed. */
  same_service = 0
  same_formation = 0
  /** Currency units per hour; 0 when unknown. */
  price: number
  /** Of machine; empty when unknown. */
  type: string

  constructor(executor: Executor) {
    this.id = executor.id
    this.host = executor.host
    this.zone = executor.zone
    this.domain = executor.domain
    this.network = executor.network
    this.tags = executor.tags
    this.labels = labelsOf(executor)
    this.runtimes = executor.runtimes
    this.cpu_total = executor.cpuMilli / 1_000
    this.cpu_free = (executor.cpuMilli - executor.cpuMilliUsed) / 1_000
    this.memory_total = executor.memoryMib
    this.memory_free = executor.memoryMib - executor.memoryMibUsed
    this.disk_free = executor.diskFreeMib ?? 0
    this.instances = executor.instances
    this.price = executor.pricePerHour
    this.type = executor.machineType ?? ''
  }
}
