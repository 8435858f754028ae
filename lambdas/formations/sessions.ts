// One-off work and live lines: commands in instances, commands of their own, and the tickets that both sides meet with at a relay.
import {randomBytes} from 'node:crypto'
import {createFirstSign} from '#lambdas/middleware/tickets.ts'
import type {Call, Operations} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import {type Instance, isTerminal} from '#shared/domain/instance.ts'
import {type SessionLine, type SessionOrder, sessionMsMax} from '#shared/domain/session.ts'
import type {InputOf} from '#shared/endpoints.ts'
import {GilliamError} from '#shared/errors.ts'
import {findInstance, place} from './instances.ts'
import {presentInstance} from './present.ts'
import {createFindRelay} from './relays.ts'

type Named = 'execInstance' | 'runService' | 'followLogs'

export interface SessionDeps {
  readonly store: Store
  readonly randomId: () => string
  /** URL of the relay, where the stage is told of one; empty otherwise. */
  readonly relay: string
}

const idBytes = 16

const checkRunning = ({state, service, id}: Instance): void => {
  if (isTerminal(state)) throw new GilliamError('instance_ended', `Instance “${service}.${id}” has ended.`)
  if (state === 'pending' || state === 'assigned')
    throw new GilliamError(
      'conflict',
      `Instance “${service}.${id}” is ${state}: nothing runs yet; try again when \`gilliam ps\` shows it running.`,
    )
}

const busy = (executor: string, outcome: 'full' | 'lost'): GilliamError =>
  outcome === 'full'
    ? new GilliamError('limit_reached', `Executor “${executor}” is asked for more sessions than it takes at once; try again in a minute.`)
    : new GilliamError('executor_lost', `Executor “${executor}” is lost, or unknown: nobody is there to answer.`)

const terminalOf = (terminal: {columns: number; rows: number} | undefined): Pick<SessionLine, 'terminal'> =>
  terminal === undefined ? {} : {terminal}

export const sessionOperations = ({store, randomId, relay: fixed}: SessionDeps): Pick<Operations<'formations'>, Named> => {
  const sign = createFirstSign(store.sessions)
  const findRelay = createFindRelay(store.registry, fixed)

  /** No line outlives the token that it was asked for with. */
  const drawLine = async ({now, principal}: Call): Promise<SessionLine> => {
    const id = randomBytes(idBytes).toString('hex')
    return {id, relay: await findRelay(id, now), until: Math.min(now + sessionMsMax, principal?.expiresAt ?? now)}
  }
  const clientsEnd = async ({id, relay, until}: SessionLine, formation: string, {now, principal}: Call) => ({
    id,
    relay,
    until,
    ticket: await sign({session: id, side: 'client', formation, until, ...(principal !== undefined && {holder: principal.tokenId})}, now),
  })
  const order = async (executor: string, wanted: SessionOrder, call: Call) => {
    const {actor, now} = call
    const {outcome} = await store.by(actor).sessions.order(executor, wanted, now)
    if (outcome !== 'ok') throw busy(executor, outcome)
    return clientsEnd(wanted, wanted.formation, call)
  }
  const runOrderOf = async ({command, terminal, detach}: InputOf<'runService'>['body'], call: Call) =>
    detach ? {command} : {command, line: {...(await drawLine(call)), ...terminalOf(terminal)}}

  return {
    execInstance: async ({params: {formation, instance: id}, body: {command, terminal}}, call) => {
      const instance = await findInstance(store, formation, id)
      checkRunning(instance)
      const {service, executor = ''} = instance
      const line = {...(await drawLine(call)), ...terminalOf(terminal)}
      return order(executor, {...line, kind: 'exec', formation, service, instance: id, command}, call)
    },
    runService: async ({params: {formation}, body}, call) => {
      const {service, release, executor} = body
      const run = await runOrderOf(body, call)
      const asked = {service, release, executor, requirements: [], ports: [], run}
      const instance = await place(store.by(call.actor), randomId, formation, asked, call.now)
      const shown = presentInstance(instance)
      return run.line === undefined ? {instance: shown} : {instance: shown, session: await clientsEnd(run.line, formation, call)}
    },
    followLogs: async ({params: {formation}, body: {executor, service, instance}}, call) => {
      const wanted = {...(service !== undefined && {service}), ...(instance !== undefined && {instance})}
      return order(executor, {...(await drawLine(call)), kind: 'logs', formation, ...wanted}, call)
    },
  }
}
