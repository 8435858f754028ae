// Waiting until instances run, with each one's state shown. Decides when waiting is over; starts and stops nothing.
import type {InstanceState} from '#shared/domain/instance.ts'
import {isTerminal} from '#shared/domain/instance.ts'
import type {OutputOf} from '#shared/endpoints.ts'
import {type Instance, instanceLine, seconds} from './render.ts'
import {neutralise} from './safe.ts'
import type {Session} from './session.ts'

const pollMs = 400
/** No instance more runs within this: it is not going to (a release that can not start is told within 60 s). */
export const stalledAfterMs = 50_000
/** A service of which an instance has failed and none runs has this long to recover by itself. */
export const failedAfterMs = 20_000
/** All that is missing waits for an executor that fits. */
export const unplaceableAfterMs = 20_000
const lastLinesMax = 20

/** `undefined` while it is open. */
export type Verdict = {readonly ok: true} | {readonly ok: false; readonly reason: string} | undefined

export interface Look {
  readonly instances: readonly Instance[]
  readonly verdict: Verdict
  /** Executors that fetch what is needed before they are given any of it. */
  readonly fetches?: readonly Fetch[]
}

type Fetch = OutputOf<'listFetches'>['items'][number]

export interface WatchLimits {
  readonly stalledAfterMs: number
}

interface Clock {
  readonly startedAt: number
  progressAt: number
  running: number
  /** When each service was first seen with failed instances only, and when everything was first seen unplaceable. */
  readonly failingSince: Map<string, number>
  unplaceableSince: number | undefined
}

const stateOf = (instance: Instance): InstanceState => instance.state as InstanceState

const describe = (instance: Instance): string => {
  const reason = instance.reason ?? (instance.exitCode === undefined ? 'no reason reported' : `exit code ${instance.exitCode}`)
  // One that was ended because it was not healthy has the exit code of our own signal.
  const code = instance.exitCode === undefined || /exit code|^not healthy/i.test(reason) ? '' : ` (exit code ${instance.exitCode})`
  return `${neutralise(instance.name)} ${instance.state}: ${neutralise(reason)}${code}`
}

const culpritsMax = 3

/** The instances that explain best why things do not run: failed ones, else unhealthy ones, else waiting ones; the newest of each service. */
const culprits = (instances: readonly Instance[]): Instance[] => {
  const worst = ['failed', 'lost', 'starting', 'pending', 'assigned'].find(state => instances.some(instance => instance.state === state))
  const byService = new Map<string, Instance>()
  for (const instance of instances.toSorted((a, b) => a.createdAt - b.createdAt)) {
    if (instance.state === worst) byService.set(instance.service, instance)
  }
  return [...byService.values()].slice(0, culpritsMax)
}

const failing = (instances: readonly Instance[]): Set<string> => {
  const services = new Set(instances.filter(instance => instance.state === 'failed').map(instance => instance.service))
  for (const instance of instances) if (instance.state === 'running') services.delete(instance.service)
  return services
}

const noteProgress = (clock: Clock, instances: readonly Instance[], now: number): void => {
  const running = instances.filter(instance => instance.state === 'running').length
  if (running > clock.running) clock.progressAt = now
  clock.running = running
  const failed = failing(instances)
  for (const service of clock.failingSince.keys()) if (!failed.has(service)) clock.failingSince.delete(service)
  for (const service of failed) if (!clock.failingSince.has(service)) clock.failingSince.set(service, now)
  const missing = instances.filter(instance => !isTerminal(stateOf(instance)) && instance.state !== 'running')
  const stuck = missing.length > 0 && missing.every(instance => instance.state === 'pending' && instance.reason !== undefined)
  clock.unplaceableSince = stuck ? (clock.unplaceableSince ?? now) : undefined
}

/** Why waiting longer makes no sense; undefined while it does. */
const giveUp = (clock: Clock, now: number, limits: WatchLimits): string | undefined => {
  if (clock.unplaceableSince !== undefined && now - clock.unplaceableSince > unplaceableAfterMs) return 'no executor fits'
  for (const [service, since] of clock.failingSince) if (now - since > failedAfterMs) return `no instance of ${service} stays up`
  if (now - clock.progressAt > limits.stalledAfterMs) return `nothing more runs after ${seconds(now - clock.startedAt)}`
  return undefined
}

/** Last log lines of an instance, indented, for stderr. */
const lastLines = async (session: Session, instance: Instance): Promise<string[]> => {
  const {items} = await (await session.client()).call('getLogs', {
    params: {formation: instance.formation},
    query: {instance: instance.id, limit: String(lastLinesMax)},
  })
  if (items.length === 0) return ['    (it wrote nothing)']
  return items.map(line => `    | ${neutralise(line.text)}`)
}

const explainFailure = async (session: Session, instances: readonly Instance[]): Promise<string[]> => {
  const lines: string[] = []
  for (const instance of culprits(instances)) {
    lines.push(describe(instance))
    if (instance.reason?.includes('ECONNREFUSED'))
      lines.push('    Nothing listens there: a service listens on $HOST:$PORT, and $PORT differs from instance to instance.')
    if (instance.state === 'pending') lines.push(`    \`gilliam explain ${instance.name}\` shows why, executor by executor`)
    else lines.push(...(await lastLines(session, instance)))
  }
  return lines
}

/** What is done needs no line; what failed is fetched again by whatever needs it. */
const fetchLines = (fetches: readonly Fetch[]): [string, string][] =>
  fetches
    .filter(({state}) => state === 'doing' || state === 'failed')
    .map(({executor, state, text = ''}) => {
      const what = state === 'doing' ? 'fetches ahead' : 'could not fetch ahead'
      return [`executor ${executor}`, `  ${neutralise(executor)} ${what}${text === '' ? '' : `: ${neutralise(text)}`}`]
    })

const show = (session: Session, instances: readonly Instance[], fetches: readonly Fetch[]): void => {
  const sorted = instances.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const width = Math.max(0, ...sorted.map(({name}) => name.length))
  const lines = sorted.map((instance): [string, string] => [instance.name, instanceLine(instance, session.paintErr, width)])
  session.progress.show(new Map([...lines, ...fetchLines(fetches)]))
}

export type Watched =
  | {readonly ok: true; readonly tookMs: number}
  | {readonly ok: false; readonly reason: string; readonly lines: readonly string[]}

/** Looks again and again until there is a verdict or no hope. Never changes anything; Ctrl-C throws Interrupted. */
export const watch = async (session: Session, look: () => Promise<Look>, limits: WatchLimits = {stalledAfterMs}): Promise<Watched> => {
  const startedAt = session.now()
  const clock: Clock = {startedAt, progressAt: startedAt, running: 0, failingSince: new Map(), unplaceableSince: undefined}
  for (;;) {
    const {instances, verdict, fetches = []} = await look()
    show(session, instances, fetches)
    const now = session.now()
    if (verdict?.ok) return {ok: true, tookMs: now - startedAt}
    noteProgress(clock, instances, now)
    const reason = verdict?.reason ?? giveUp(clock, now, limits)
    if (reason !== undefined) {
      session.progress.end()
      return {ok: false, reason: neutralise(reason), lines: await explainFailure(session, instances)}
    }
    await session.sleep(pollMs)
  }
}
