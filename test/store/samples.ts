// Plain samples of what the store keeps, for tests.
import type {InstanceReport} from '#shared/domain/assignment.ts'
import type {Executor, ExecutorDescriptor} from '#shared/domain/executor.ts'
import type {Instance} from '#shared/domain/instance.ts'
import type {ServiceDefinition} from '#shared/domain/release.ts'

export const descriptor = (id: string): ExecutorDescriptor => ({
  id,
  host: '127.0.0.1',
  zone: 'office',
  domain: 'rack-1',
  network: 'default',
  tags: ['ssd'],
  labels: {disk: 'fast'},
  runtimes: ['process'],
  cpuMilli: 16_000,
  memoryMib: 16_384,
  pricePerHour: 0,
})

/** An executor that is ready, holds nothing, and was never heard from. */
export const executorSample = (id: string, more: Partial<Executor> = {}): Executor => ({
  ...descriptor(id),
  cpuMilliUsed: 0,
  memoryMibUsed: 0,
  instances: 0,
  hostPorts: [],
  state: 'ready',
  joinedAt: 0,
  leaseExpiresAt: 0,
  assignmentVersion: 1,
  ...more,
})

export const serviceDefinition = (more: Partial<ServiceDefinition> = {}): ServiceDefinition => ({
  kind: 'process',
  script: 'exec node server.js',
  ports: [{port: 80}],
  env: {},
  scale: 1,
  resources: {cpuMilli: 100, memoryMib: 64},
  requirements: [],
  requires: [],
  stopGraceMs: 10_000,
  ...more,
})

export const pendingInstance = (formation: string, service: string, id: string, more: Partial<Instance>, now: number): Instance => ({
  formation,
  service,
  id,
  release: 1,
  origin: 'scale',
  state: 'pending',
  resources: {cpuMilli: 100, memoryMib: 64},
  runtime: 'process',
  ports: [{port: 80}],
  requirements: [],
  restarts: 0,
  createdAt: now,
  updatedAt: now,
  ...more,
})

export const reportOf = (
  formation: string,
  service: string,
  id: string,
  state: InstanceReport['state'],
  announced: boolean,
): InstanceReport => ({formation, service, id, state, announced, restarts: 0, address: {host: '127.0.0.1', ports: {'80': 20_000}}})
