// Executors and waiting instances for the grid: several services with requirements and ranks of different kinds. Deterministic for a seed.
import type {Executor} from '#shared/domain/executor.ts'
import type {PendingInstance} from '#shared/domain/placement.ts'
import {executorSample} from '#test/store/samples.ts'

/** A small generator of pseudo-random numbers in [0, 1): mulberry32, public domain (Tommy Ettinger). */
export const randomFrom = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** The moment all leases are measured against. */
export const benchNow = 1_700_000_000_000

export const executorOf = (id: string, more: Partial<Executor>): Executor =>
  executorSample(id, {
    host: id,
    zone: 'a',
    domain: 'a1',
    tags: [],
    labels: {},
    runtimes: ['process', 'docker'],
    memoryMib: 65_536,
    leaseExpiresAt: benchNow + 45_000,
    ...more,
  })

const zones = ['north', 'south', 'east', 'west', 'office']
const shapes = [
  {cpuMilli: 8_000, memoryMib: 32_768},
  {cpuMilli: 16_000, memoryMib: 65_536},
  {cpuMilli: 32_000, memoryMib: 131_072},
  {cpuMilli: 64_000, memoryMib: 262_144},
]

/** Machines of four sizes in five zones; half have SSDs, one in four a GPU label, and they are partly used already. */
export const makeExecutors = (count: number, random: () => number): Executor[] =>
  Array.from({length: count}, (_, index) => {
    const shape = shapes[Math.floor(random() * shapes.length)] ?? shapes[0]
    const zone = zones[Math.floor(random() * zones.length)] ?? 'north'
    return executorOf(`x${String(index).padStart(6, '0')}`, {
      ...shape,
      zone,
      domain: `${zone}-${Math.floor(random() * 8)}`,
      tags: random() < 0.5 ? ['ssd'] : [],
      labels: random() < 0.25 ? {gpu: 't4', generation: '3'} : {generation: String(1 + Math.floor(random() * 3))},
      cpuMilliUsed: Math.floor(random() * 2_000),
      memoryMibUsed: Math.floor(random() * 4_096),
      instances: Math.floor(random() * 6),
      pricePerHour: Math.round(random() * 100) / 100,
    })
  })

type Kind = Pick<PendingInstance, 'requirements' | 'rank' | 'resources'>

/** What services ask for; service number n takes kind n modulo their number. Every one has requirements and a rank. */
const kinds: readonly Kind[] = [
  {
    requirements: ['"ssd" in executor.tags', 'executor.zone != "office"'],
    rank: 'executor.memory_free - 10 * executor.same_service',
    resources: {cpuMilli: 100, memoryMib: 256},
  },
  {requirements: ['executor.cpu_total / 2 > 4'], rank: '-executor.instances', resources: {cpuMilli: 200, memoryMib: 512}},
  {
    requirements: ['executor.zone in ["north", "south"]', 'double(executor.labels.generation) >= 2'],
    rank: 'executor.cpu_free * 1000 + executor.memory_free',
    resources: {cpuMilli: 250, memoryMib: 256},
  },
  {
    requirements: ['executor.zone != "office"', 'executor.memory_free > 1024'],
    rank: '-executor.memory_free',
    resources: {cpuMilli: 100, memoryMib: 128},
  },
  {
    requirements: ['!has(executor.labels.gpu)'],
    rank: 'executor.cpu_free / executor.cpu_total - executor.price',
    resources: {cpuMilli: 150, memoryMib: 192},
  },
]

/** `mixed`: services take turns, the hardest order. `grouped`: one service after the other, as when each is scaled in turn. */
export type Arrival = 'mixed' | 'grouped'

export const makePending = (count: number, services: number, arrival: Arrival): PendingInstance[] =>
  Array.from({length: count}, (_, index) => {
    const service = arrival === 'mixed' ? index % services : Math.floor((index * services) / count)
    const kind = kinds[service % kinds.length] as Kind
    return {
      ...kind,
      formation: 'bench',
      service: `service-${service}`,
      id: String(index).padStart(10, '0'),
      runtime: 'process',
      ports: [{port: 80}],
      createdAt: index,
    }
  })
