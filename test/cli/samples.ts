// Answers of a control plane for the CLI's tests, complete enough to fit their schemas.
import type {OutputOf} from '#shared/endpoints.ts'

export const at = 1_700_000_000_000

export const formation = (name = 'crm'): OutputOf<'getFormation'> => ({name, state: 'active', createdAt: at, latestRelease: 3})

export const service = (change: Partial<OutputOf<'getRelease'>['services'][string]> = {}): OutputOf<'getRelease'>['services'][string] => ({
  kind: 'process',
  script: 'node users.js',
  ports: [{port: 80}],
  env: {},
  scale: 2,
  resources: {cpuMilli: 100, memoryMib: 64},
  requirements: [],
  requires: [],
  stopGraceMs: 10_000,
  ...change,
})

export const release = (change: Partial<OutputOf<'getRelease'>> = {}): OutputOf<'getRelease'> => ({
  formation: 'crm',
  release: 3,
  createdAt: at,
  env: {},
  // As the store has them: in no order.
  services: {web: service({scale: 1}), users: service()},
  ...change,
})

export const instance = (change: Partial<OutputOf<'getInstance'>> = {}): OutputOf<'getInstance'> => ({
  name: `${change.service ?? 'users'}.${change.id ?? 'aaaaaaaaaa'}`,
  formation: 'crm',
  service: 'users',
  id: 'aaaaaaaaaa',
  release: 3,
  origin: 'scale',
  state: 'running',
  executor: 'local',
  address: {host: '127.0.0.1', ports: {80: 20_001}},
  restarts: 0,
  resources: {cpuMilli: 100, memoryMib: 64},
  requirements: [],
  ports: [{port: 80}],
  createdAt: at,
  updatedAt: at,
  ...change,
})

export const rollout = (change: Partial<OutputOf<'getRollout'>> = {}): OutputOf<'getRollout'> => ({
  formation: 'crm',
  release: 3,
  scale: {users: 2},
  state: 'starting',
  startedAt: at,
  deadlineAt: at + 300_000,
  ...change,
})

export const executor = (change: Partial<OutputOf<'getExecutor'>> = {}): OutputOf<'getExecutor'> => ({
  id: 'local',
  host: '127.0.0.1',
  zone: 'default',
  domain: 'default',
  network: 'default',
  tags: ['ssd'],
  labels: {},
  runtimes: ['process'],
  cpuMilli: 4_000,
  memoryMib: 8_192,
  pricePerHour: 0,
  state: 'ready',
  cpuMilliUsed: 500,
  memoryMibUsed: 640,
  instances: 5,
  hostPorts: [],
  joinedAt: at,
  leaseExpiresAt: at + 30_000,
  ...change,
})
