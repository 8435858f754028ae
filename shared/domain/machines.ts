// EC2 machine types that are known: size, architecture, list price; and what an executor on one will look like before it has joined. Data only, pure.
import type {Executor, ExecutorDescriptor} from './executor.ts'

export interface MachineType {
  readonly name: string
  readonly arch: 'arm64' | 'x86_64'
  readonly cpuMilli: number
  /** As sold; the system keeps some of it: see {@link usableMemoryMib}. */
  readonly memoryMib: number
  /** US dollars: the list price on demand, Linux, in us-east-1. Other regions ask more, spot asks less; the types compare much the same. */
  readonly pricePerHour: number
}

/** Cores, GiB and dollars an hour, from the price list of AWS as of 2025. */
type Row = readonly [cores: number, memoryGib: number, pricePerHour: number]

const arm: Readonly<Record<string, Row>> = {
  't4g.small': [2, 2, 0.0168],
  't4g.medium': [2, 4, 0.0336],
  't4g.large': [2, 8, 0.0672],
  't4g.xlarge': [4, 16, 0.1344],
  't4g.2xlarge': [8, 32, 0.2688],
  'm7g.medium': [1, 4, 0.0408],
  'm7g.large': [2, 8, 0.0816],
  'm7g.xlarge': [4, 16, 0.1632],
  'm7g.2xlarge': [8, 32, 0.3264],
  'm7g.4xlarge': [16, 64, 0.6528],
  'm8g.medium': [1, 4, 0.04488],
  'm8g.large': [2, 8, 0.08976],
  'm8g.xlarge': [4, 16, 0.17952],
  'm8g.2xlarge': [8, 32, 0.35904],
  'm8g.4xlarge': [16, 64, 0.71808],
  'c7g.medium': [1, 2, 0.0363],
  'c7g.large': [2, 4, 0.0725],
  'c7g.xlarge': [4, 8, 0.145],
  'c7g.2xlarge': [8, 16, 0.29],
  'c7g.4xlarge': [16, 32, 0.58],
  'c8g.medium': [1, 2, 0.03988],
  'c8g.large': [2, 4, 0.07976],
  'c8g.xlarge': [4, 8, 0.15952],
  'c8g.2xlarge': [8, 16, 0.31904],
  'c8g.4xlarge': [16, 32, 0.63808],
  'r7g.medium': [1, 8, 0.0536],
  'r7g.large': [2, 16, 0.1071],
  'r7g.xlarge': [4, 32, 0.2142],
  'r7g.2xlarge': [8, 64, 0.4284],
  'r8g.medium': [1, 8, 0.05892],
  'r8g.large': [2, 16, 0.11782],
  'r8g.xlarge': [4, 32, 0.23564],
  'r8g.2xlarge': [8, 64, 0.47128],
}

const x86: Readonly<Record<string, Row>> = {
  't3.medium': [2, 4, 0.0416],
  't3.large': [2, 8, 0.0832],
  'm7i.large': [2, 8, 0.1008],
  'm7i.xlarge': [4, 16, 0.2016],
  'm7i.2xlarge': [8, 32, 0.4032],
  'c7i.large': [2, 4, 0.08925],
  'c7i.xlarge': [4, 8, 0.1785],
  'c7i.2xlarge': [8, 16, 0.357],
}

const typesOf = (rows: Readonly<Record<string, Row>>, arch: MachineType['arch']): MachineType[] =>
  Object.entries(rows).map(([name, [cores, memoryGib, pricePerHour]]) => {
    return {name, arch, cpuMilli: cores * 1_000, memoryMib: memoryGib * 1_024, pricePerHour}
  })

export const machineTypes: readonly MachineType[] = [...typesOf(arm, 'arm64'), ...typesOf(x86, 'x86_64')]

const byName: ReadonlyMap<string, MachineType> = new Map(machineTypes.map(type => [type.name, type]))

export const machineTypeOf = (name: string): MachineType | undefined => byName.get(name)

/** What kernel and firmware keep of a machine's memory: Karpenter reckons with the same share (its option `vm-memory-overhead-percent`). */
const systemMemoryShare = 0.075

/** What is left for instances, on the safe side: a machine that turns out larger does no harm. */
export const usableMemoryMib = ({memoryMib}: MachineType): number => Math.floor(memoryMib * (1 - systemMemoryShare))

/** Tag, and prefix of the network, of the executors on a stage's own machines: what their agents say when they join. */
export const machineTag = 'ec2'
export const machineNetwork = (stage: string): string => `aws-${stage}`

/** A machine of this type as the executor it will be when its agent has joined. */
export const futureExecutor = (
  given: {readonly id: string; readonly type: MachineType; readonly zone: string; readonly stage: string},
  now: number,
): Executor => {
  const {id, type, zone, stage} = given
  return {
    id,
    host: '',
    zone,
    domain: id,
    network: machineNetwork(stage),
    tags: [machineTag],
    labels: {machine: type.name},
    runtimes: ['process'],
    cpuMilli: type.cpuMilli,
    memoryMib: usableMemoryMib(type),
    pricePerHour: type.pricePerHour,
    machineType: type.name,
    state: 'ready',
    cpuMilliUsed: 0,
    memoryMibUsed: 0,
    instances: 0,
    hostPorts: [],
    joinedAt: now,
    leaseExpiresAt: now + 1,
    assignmentVersion: 0,
  }
}

/** The descriptor with the list price of its machine type, unless its operator gave one. */
export const priced = <T extends ExecutorDescriptor>(descriptor: T): T => {
  const {pricePerHour, machineType = ''} = descriptor
  return pricePerHour > 0 ? descriptor : {...descriptor, pricePerHour: machineTypeOf(machineType)?.pricePerHour ?? 0}
}
