// An agent for counting: it syncs when it is told to, and runs nothing; and what it is given to run.
import type {Client} from '#shared/client.ts'
import type {OutputOf} from '#shared/endpoints.ts'
import type {MeteredStage} from './stage.ts'

type Assignments = NonNullable<OutputOf<'syncExecutor'>['assignments']>

/** An agent without processes: reports what it is told to run as running and announced. */
export interface FakeAgent {
  readonly idle: () => Promise<void>
  /** Syncs until everything assigned was reported as running and everything stopped as stopped. */
  readonly work: () => Promise<void>
}

const portBase = 20_000

/** Joins as executor `one`, with a credential that is renewed when a sync brings another. */
export const join = async (stage: MeteredStage, admin: Client): Promise<FakeAgent> => {
  const body = {id: 'one', host: '127.0.0.1', runtimes: ['process' as const], cpuMilli: 64_000, memoryMib: 65_536}
  const {token} = await admin.call('joinExecutor', {body})
  let client = stage.clientWith(token)
  let version = 0
  let held: Assignments = []
  const told = new Map<string, string>()

  const sync = async (): Promise<number> => {
    const due = held.filter(each => told.get(each.id) !== (each.stop ? 'stopped' : 'running'))
    const reports = due.map(({formation, service, id, stop}, at) => ({
      ...{formation, service, id, restarts: 0},
      ...(stop
        ? {state: 'stopped' as const, announced: false}
        : {state: 'running' as const, announced: true, address: {host: '127.0.0.1', ports: {80: portBase + at}}}),
    }))
    const answer = await client.call('syncExecutor', {params: {executor: 'one'}, body: {assignmentVersion: version, reports}})
    for (const each of due) told.set(each.id, each.stop ? 'stopped' : 'running')
    if (answer.token !== undefined) client = stage.clientWith(answer.token)
    version = answer.assignmentVersion
    held = answer.assignments ?? held
    return due.length
  }

  return {
    idle: async () => {
      await sync()
    },
    work: async () => {
      await sync()
      while ((await sync()) > 0);
    },
  }
}

export const instancesPerService = 2

/** A service as ordinary as they come. */
export const definition = {
  kind: 'process' as const,
  script: 'node server.js',
  ports: [{port: 80}],
  env: {},
  scale: instancesPerService,
  resources: {cpuMilli: 100, memoryMib: 64},
  requirements: ['executor.zone != "office"'],
  requires: [],
  stopGraceMs: 10_000,
}
