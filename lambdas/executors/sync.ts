// An agent's heartbeat: one small write when nothing happened; else its logs and reports in, its assignments out.

import {createSign} from '#lambdas/middleware/tickets.ts'
import type {Operation} from '#lambdas/middleware.ts'
import type {Store, Told} from '#lambdas/store/index.ts'
import {type AgentProgram, type AgentWish, upgradeState} from '#shared/domain/agent.ts'
import type {LogLine} from '#shared/domain/assignment.ts'
import {executorLeaseMs, type Leaving} from '#shared/domain/executor.ts'
import {askAgainMs, type Pace} from '#shared/domain/pace.ts'
import type {InputOf} from '#shared/endpoints.ts'
import {GilliamError} from '#shared/errors.ts'
import type {Logger} from '#shared/log.ts'
import type {LogStore} from '#shared/ports.ts'
import type {Principal} from '#shared/scopes.ts'
import {loadOrders} from './assignments.ts'
import {takeChores} from './chores.ts'
import {createOwnLines, type OwnLines} from './ownership.ts'
import {takePins} from './pins.ts'
import {resolveSecrets, type SecretSources} from './secrets.ts'
import type {Wishes} from './wishes.ts'

/** Reports written at the same time. */
const reportsAtOnceMax = 8

/** What agents are told besides what to run. */
export interface SyncTerms {
  /** Where else they may sync; at the API only when undefined. */
  readonly syncUrl?: string
  /** How long a withdrawn instance goes on serving; the agent's own default when undefined. */
  readonly drainMs?: number
}

export interface SyncDeps {
  readonly store: Store
  readonly logs: LogStore
  readonly timing: Pace
  readonly terms: SyncTerms
  readonly wishes: Wishes
  readonly secrets: SecretSources
  readonly log: Logger
  /** How long a credential lasts; the next one is given at half of it. */
  readonly tokenTtlMs: number
}

type Reports = InputOf<'syncExecutor'>['body']['reports']

/**
 * Throws conflict when a report could not be written: the agent repeats them all, and those that were written are `unchanged` then. Answers the newest
 * sequence that was in the way of a report, if one was: a call that was long on its way does not undo what a later one told.
 */
const takeReports = async (
  store: Pick<Store, 'instances'>,
  executor: string,
  reports: Reports,
  now: number,
  sequence: number | undefined,
): Promise<{sequence?: number}> => {
  let newest = -1
  for (let first = 0; first < reports.length; first += reportsAtOnceMax) {
    const batch = reports.slice(first, first + reportsAtOnceMax)
    const outcomes = await Promise.all(batch.map(report => store.instances.report(executor, report, now, sequence)))
    if (outcomes.some(({outcome}) => outcome === 'conflict'))
      throw new GilliamError('conflict', 'Some reports could not be written; send them again.')
    for (const each of outcomes) if (each.outcome === 'stale') newest = Math.max(newest, each.sequence)
  }
  return newest < 0 ? {} : {sequence: newest}
}

const renew = async (
  store: Pick<Store, 'executors'>,
  executor: string,
  told: Told,
  now: number,
): Promise<{version: number; isDraining: boolean}> => {
  const renewed = await store.executors.renew(executor, now, told)
  if (renewed.outcome === 'ok') return {version: renewed.assignmentVersion, isDraining: renewed.state === 'draining'}
  if (renewed.outcome === 'missing') throw new GilliamError('not_found', `There is no executor “${executor}”; join first.`)
  throw new GilliamError('executor_lost', `The lease of executor “${executor}” ended; join again.`)
}

/**
 * The next credential when half of the present one's time is over; nothing is read or written before. Made last, so that little is left that could lose it;
 * one that is lost is made anew by the next sync.
 */
const renewCredential = async (
  {store, tokenTtlMs}: SyncDeps,
  executor: string,
  principal: Principal | undefined,
  now: number,
): Promise<{token?: string}> => {
  if (principal === undefined || principal.expiresAt - now > tokenTtlMs / 2) return {}
  const renewed = await store.tokens.renewForExecutor(executor, principal.hash, tokenTtlMs, now)
  if (renewed.outcome === 'missing') throw new GilliamError('unauthenticated', 'The token is unknown, has ended or was revoked.')
  return renewed.outcome === 'ok' ? {token: renewed.created.token} : {}
}

/** What its ring wants of an agent that runs another one, and can do something about it. */
const wishOf = async (wishes: Wishes, agent: AgentProgram | undefined, now: number): Promise<{agent?: AgentWish}> => {
  const wish = agent === undefined ? undefined : await wishes(agent.ring, now)
  return agent !== undefined && wish !== undefined && upgradeState(agent, wish) === 'upgrading' ? {agent: wish} : {}
}

const keepLines = async (logs: LogStore, ownLines: OwnLines, executor: string, lines: readonly LogLine[]): Promise<void> => {
  if (lines.length === 0) return
  const own = await ownLines(executor, lines)
  if (own.length > 0) await logs.append(own)
}

const leavingOf = ({leaving}: InputOf<'syncExecutor'>['body']): Leaving | undefined => {
  if (leaving === undefined) return undefined
  const {at, reason} = leaving
  return at === undefined ? {reason} : {at, reason}
}

/**
 * Lines are kept before reports, so that whoever sees an instance fail finds its last words. The version is read before the assignments: an agent may get
 * newer assignments than the version says, and then gets them again; never the other way round.
 */
export const syncOperation = (deps: SyncDeps): Operation<'syncExecutor'> => {
  const {store, logs, timing, terms, wishes, secrets, log} = deps
  const ownLines = createOwnLines(store.instances)
  const sign = createSign(store.sessions)
  return async ({params: {executor}, body}, {now, principal, actor}) => {
    const {version: assignmentVersion, isDraining} = await renew(store, executor, body, now)
    // Told again and again while it holds; who lost a race is told the next time.
    if (body.leaving !== undefined || isDraining) await store.by(actor).executors.leave(executor, now, leavingOf(body))
    await keepLines(logs, ownLines, executor, body.logs)
    const taken = await takeReports(store, executor, body.reports, now, body.sequence)
    await takeChores(store, executor, body.chores ?? [])
    const pins = await takePins(store.by(actor), executor, body.pins ?? [], now)
    const changed = assignmentVersion !== body.assignmentVersion
    const isNews = changed || body.reports.length > 0
    const nextSyncMs = isNews ? timing.busyMs : body.quietMs === undefined ? timing.idleMs : askAgainMs(body.quietMs, timing)
    const answer = {
      assignmentVersion,
      nextSyncMs,
      leaseMs: executorLeaseMs,
      ...terms,
      ...taken,
      ...pins,
      ...(await wishOf(wishes, body.agent, now)),
    }
    if (!changed) return {...answer, ...(await renewCredential(deps, executor, principal, now))}
    const {assignments: loaded, sessions, backups, chores} = await loadOrders({store, sign}, executor, now)
    const assignments = await resolveSecrets({store, sources: secrets, log, now}, executor, loaded)
    const orders = {...(sessions.length > 0 && {sessions}), ...(backups.length > 0 && {backups}), chores: [...chores]}
    return {...answer, assignments, ...orders, ...(await renewCredential(deps, executor, principal, now))}
  }
}
