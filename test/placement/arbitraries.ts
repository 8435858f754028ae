// Executors and waiting instances for property tests: small numbers, so that capacity runs out and ranks tie.
import fc from 'fast-check'
import {diskFreeMibMin, type Executor} from '#shared/domain/executor.ts'
import type {PendingInstance} from '#shared/domain/placement.ts'
import {executorSample} from '../store/samples.ts'

export const now = 1_700_000_000_000

export const executorOf = (id: string, more: Partial<Executor> = {}): Executor =>
  executorSample(id, {host: '10.0.0.1', tags: [], labels: {}, cpuMilli: 4_000, memoryMib: 4_096, leaseExpiresAt: now + 1_000, ...more})

export const pendingOf = (id: string, more: Partial<PendingInstance> = {}): PendingInstance => ({
  formation: 'crm',
  service: 'users',
  id,
  resources: {cpuMilli: 500, memoryMib: 256},
  requirements: [],
  runtime: 'process',
  ports: [{port: 80}],
  createdAt: 1,
  ...more,
})

const executor = (id: string): fc.Arbitrary<Executor> =>
  fc
    .record({
      zone: fc.constantFrom('office', 'cellar', 'roof'),
      tags: fc.subarray(['ssd', 'arm']),
      labels: fc.constantFrom<Executor['labels'][]>({}, {gpu: 't4', slots: '2'}, {slots: '5'}),
      runtimes: fc.constantFrom<Executor['runtimes'][]>(['process'], ['docker'], ['process', 'docker']),
      cpuMilli: fc.constantFrom(1_000, 2_000, 3_000),
      memoryMib: fc.constantFrom(512, 1_024, 2_048),
      cpuMilliUsed: fc.constantFrom(0, 500, 1_000),
      memoryMibUsed: fc.constantFrom(0, 128, 600),
      instances: fc.nat(2),
      hostPorts: fc.subarray([80, 443]),
      diskFreeMib: fc.constantFrom(0, diskFreeMibMin - 1, diskFreeMibMin, 4_096),
      pricePerHour: fc.constantFrom(0, 1.5),
      state: fc.constantFrom<Executor['state'][]>('ready', 'ready', 'ready', 'cordoned', 'draining', 'lost'),
      leaseExpiresAt: fc.constantFrom(now + 1, now + 1, now + 1, now),
    })
    .map(more => executorOf(id, more))

export const executors = fc.nat(12).chain(count => fc.tuple(...Array.from({length: count}, (_, at) => executor(`x${at}`))))

export const requirementTexts = [
  '"ssd" in executor.tags',
  'executor.zone != "office"',
  'executor.labels.gpu == "t4"',
  'double(executor.labels.slots) > executor.same_service',
  'executor.same_formation < 2',
  'executor.instances > 0',
  'executor.memory_free >= 512 || executor.zone == "roof"',
  'executor.cpu_total / 2 > 0.9',
]

export const rankTexts = [
  'executor.memory_free - 10 * executor.same_service',
  '-executor.memory_free',
  'executor.cpu_free / executor.cpu_total',
  '-executor.same_formation',
  'double(executor.labels.slots)',
  'executor.price',
]

export const pending = fc
  .array(
    fc.record({
      formation: fc.constantFrom('crm', 'shop'),
      service: fc.constantFrom('users', 'mail'),
      createdAt: fc.nat(3),
      resources: fc.record({cpuMilli: fc.constantFrom(0, 100, 500, 900), memoryMib: fc.constantFrom(0, 64, 300)}),
      requirements: fc.subarray(requirementTexts, {maxLength: 2}),
      rank: fc.option(fc.constantFrom(...rankTexts), {nil: undefined}),
      runtime: fc.constantFrom<PendingInstance['runtime'][]>('process', 'process', 'docker'),
      avoid: fc.subarray(['x0', 'x1', 'x2', 'x3', 'nowhere'], {maxLength: 3}),
      ports: fc.constantFrom<PendingInstance['ports'][]>(
        [{port: 80}],
        [{port: 80}],
        [{port: 80, hostPort: 80}],
        [{port: 80, hostPort: 8080}],
      ),
    }),
    {maxLength: 40},
  )
  .map(all => all.map(({rank, ...more}, at) => pendingOf(`i${at}`, rank === undefined ? more : {...more, rank})))

/** Instances that are placed already, on executors that may or may not be listed. */
export const placed = fc.array(
  fc.record({
    formation: fc.constantFrom<string[]>('crm', 'shop'),
    service: fc.constantFrom<string[]>('users', 'mail'),
    executor: fc.nat(12).map(at => `x${at}`),
  }),
  {maxLength: 8},
)
