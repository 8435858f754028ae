// Meeting a command that runs in an instance of its own: waits until it begins, and tells why it does not.
import {setTimeout as sleep} from 'node:timers/promises'
import {createClient} from '#shared/client.ts'
import {isTerminal} from '#shared/domain/instance.ts'
import {CommandError} from '../exit.ts'
import type {Instance} from '../render.ts'
import {neutralise} from '../safe.ts'
import type {Session} from '../session.ts'

/** A machine may have to be added first. */
const waitMs = 900_000
const lookEveryMs = 1_000

/** Nobody is attached to what has not begun: it is not to begin. This works after Ctrl-C too. */
const callOff = async (session: Session, {formation, id}: Instance): Promise<void> => {
  const {api, token} = await session.stage()
  await createClient({api, token})
    .call('stopInstance', {params: {formation, instance: id}}, {triesMax: 1, timeoutMs: 5_000})
    .catch(() => undefined)
}

/** Tells why it does not begin, as long as it does not. Throws when it never will. */
const watchBeginning = async (session: Session, {formation, id, name}: Instance, signal: AbortSignal): Promise<never> => {
  const client = await session.client()
  let told = ''
  for (;;) {
    await sleep(lookEveryMs, undefined, {signal})
    const {state, reason = ''} = await client.call('getInstance', {params: {formation, instance: id}}, {signal})
    if (isTerminal(state as 'running'))
      throw new CommandError('failed', `${name} is ${state}${reason === '' ? '' : `: ${neutralise(reason)}`}`)
    if (reason !== told) session.progress.say(`${name} is ${state}: ${neutralise(reason)}`)
    told = reason
  }
}

/** The line to an instance of a run, once it begins; one that is not waited for any more is called off. */
export const joinRun = async (session: Session, instance: Instance, {relay, ticket}: {relay: string; ticket: string}) => {
  const over = new AbortController()
  const signal = AbortSignal.any([over.signal, session.interrupted])
  const {joinRelay} = await import('#shared/sessions/peer.ts')
  try {
    return await Promise.race([joinRelay({relay, ticket, waitMs, signal}), watchBeginning(session, instance, signal)])
  } catch (error) {
    await callOff(session, instance)
    throw error
  } finally {
    over.abort(new Error('it has begun'))
  }
}
