// What an executor is told to run: the store's assignments joined with their releases.
import type {Sign} from '#lambdas/middleware/tickets.ts'
import type {AssignedInstance, Store} from '#lambdas/store/index.ts'
import type {AssignedRun, AssignedSession, Assignment} from '#shared/domain/assignment.ts'
import type {AssignedBackup} from '#shared/domain/backup.ts'
import type {Chore} from '#shared/domain/chore.ts'
import {pinnedName} from '#shared/domain/image.ts'
import type {Release, RunOptions} from '#shared/domain/release.ts'
import type {RunOrder, SessionLine} from '#shared/domain/session.ts'
import {type Injection, injectionsOf} from './injections.ts'

/** An assignment whose environment is not whole yet. */
export interface JoinedAssignment extends Assignment {
  /** By variable; what the service says itself wins. */
  readonly injections: Readonly<Record<string, Injection>>
}

/** A record, so that one that is new can not be left out. */
const runOptions: Readonly<Record<keyof RunOptions, true>> = {
  type: true,
  script: true,
  image: true,
  imageArchive: true,
  args: true,
  program: true,
  limits: true,
  readOnly: true,
  user: true,
  onLost: true,
}

const runOptionsOf = (service: RunOptions): RunOptions =>
  Object.fromEntries(
    (Object.keys(runOptions) as (keyof RunOptions)[]).flatMap(name => (service[name] === undefined ? [] : [[name, service[name]]])),
  )

/** The assignment with what its release says of the service; undefined when the release or the service is gone, and with it the instance. */
export const joinAssignment = (
  assigned: Omit<AssignedInstance, 'run'> & {readonly run?: AssignedRun},
  release: Release | undefined,
): JoinedAssignment | undefined => {
  const service =
    release !== undefined && Object.hasOwn(release.services, assigned.service) ? release.services[assigned.service] : undefined
  if (release === undefined || service === undefined) return undefined
  const {kind, health, stopGraceMs, volume, image} = service
  const digest = image !== undefined && Object.hasOwn(release.pins ?? {}, image) ? release.pins?.[image] : undefined
  return {
    formation: assigned.formation,
    service: assigned.service,
    id: assigned.id,
    release: assigned.release,
    kind,
    ...runOptionsOf(service),
    ...(image === undefined || digest === undefined ? {} : {image: pinnedName(image, digest)}),
    ...(volume === undefined || assigned.volume === undefined ? {} : {volume: {...volume, id: assigned.volume}}),
    ...(release.slug === undefined || service.bare === true ? {} : {slug: release.slug}),
    env: {...release.env, ...service.env},
    ports: assigned.ports,
    // What runs once is over when it ends, and serves nobody.
    ...(health === undefined || assigned.run !== undefined ? {} : {health}),
    resources: assigned.resources,
    stopGraceMs,
    ...(assigned.run === undefined ? {} : {run: assigned.run}),
    stop: assigned.stop,
    injections: injectionsOf(release, assigned.given),
  }
}

/** The agent's end of a line; undefined when it is over. */
const agentsEnd = async <L extends SessionLine>(
  line: L,
  formation: string,
  sign: Sign,
  now: number,
): Promise<(L & {ticket: string}) | undefined> => {
  const {id, until} = line
  const ticket = until > now ? await sign({session: id, side: 'agent', formation, until}, now) : undefined
  return ticket === undefined ? undefined : {...line, ticket}
}

const withTicket = async ({command, line}: RunOrder, formation: string, sign: Sign, now: number): Promise<AssignedRun> => {
  const end = line === undefined ? undefined : await agentsEnd(line, formation, sign, now)
  return {command, attached: line !== undefined, ...(end !== undefined && {line: end})}
}

/** What an executor is told. */
export interface Orders {
  readonly assignments: JoinedAssignment[]
  readonly sessions: AssignedSession[]
  readonly backups: AssignedBackup[]
  readonly chores: readonly Chore[]
}

/** Everything the executor should run or stop, and who waits for it at a relay; one read per release it has instances of. */
export const loadOrders = async (
  {store, sign}: {readonly store: Pick<Store, 'executors' | 'releases'>; readonly sign: Sign},
  executor: string,
  now: number,
): Promise<Orders> => {
  const orders = await store.executors.orders(executor, now)
  const releases = new Map<string, Promise<Release | undefined>>()
  for (const {formation, release} of orders.assignments) {
    const key = `${formation}/${release}`
    if (!releases.has(key)) releases.set(key, store.releases.get(formation, release))
  }
  const joined = await Promise.all(
    orders.assignments.map(async ({run, ...each}) => {
      const own = run === undefined ? each : {...each, run: await withTicket(run, each.formation, sign, now)}
      return joinAssignment(own, await releases.get(`${each.formation}/${each.release}`))
    }),
  )
  const sessions = await Promise.all(orders.sessions.map(each => agentsEnd(each, each.formation, sign, now)))
  return {
    assignments: joined.filter(assignment => assignment !== undefined),
    sessions: sessions.filter(session => session !== undefined),
    backups: orders.backups.map(({until, ...order}) => ({...order, timeoutMs: until - now})),
    chores: orders.chores,
  }
}
