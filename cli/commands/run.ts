// `gilliam run SERVICE -- COMMAND`: a command once, in an instance of its own, with this terminal.
import {setTimeout as sleep} from 'node:timers/promises'
import type {Command} from 'commander'
import {createClient} from '#shared/client.ts'
import {isTerminal} from '#shared/domain/instance.ts'
import {CommandError, Ran} from '../exit.ts'
import type {Instance} from '../render.ts'
import {neutralise} from '../safe.ts'
import type {Session, World} from '../session.ts'
import {attach} from '../sessions/attach.ts'
import {commandIn, type TerminalOptions, terminalOf, withTerminal} from '../sessions/terminal.ts'
import {act, checkServices, number, type Operands, verb} from '../verb.ts'

interface RunOptions extends TerminalOptions {
  readonly release?: string
  readonly detach?: boolean
  readonly assignedTo?: string
}

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

const join = async (session: Session, instance: Instance, {relay, ticket}: {relay: string; ticket: string}) => {
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

const run = async (session: Session, operands: Operands, options: RunOptions): Promise<void> => {
  const [service = ''] = operands
  const command = commandIn(operands)
  const formation = await session.formation()
  const release = options.release === undefined ? undefined : number(options.release, 'A release', 1, 999_999_999)
  await checkServices(session, [service], release === undefined ? 'latest' : String(release))
  const detach = options.detach === true
  const terminal = detach ? undefined : terminalOf(session, options)
  const body = {
    service,
    command,
    detach,
    ...(release !== undefined && {release}),
    ...(terminal !== undefined && {terminal}),
    ...(options.assignedTo !== undefined && {executor: options.assignedTo}),
  }
  const {instance, session: line} = await (await session.client()).call('runService', {params: {formation}, body})
  if (line === undefined) {
    session.progress.say(`\`gilliam logs -f --instance ${instance.name}\` shows what it writes.`)
    return session.print(`${instance.name}\n`, instance)
  }
  const {code, reason} = await attach(session, await join(session, instance, line), terminal)
  if (reason !== undefined) session.err(`gilliam: ${neutralise(reason)}\n`)
  if (code !== 0) throw new Ran(code)
}

export const addRun = (program: Command, world: World): void => {
  withTerminal(verb(program, 'run', 'Run a command once, in an instance of its own'))
    .argument('<service>', 'a service of the release: its code, environment and resources')
    .argument('<command...>', 'program and arguments; no shell reads them')
    .option('-r, --release <n>', 'the release to run; the latest by default')
    .option('-d, --detach', 'do not wait: what it writes is found in the logs')
    .option('--assigned-to <executor>', 'run it on this executor')
    .action(act<RunOptions>(world, run))
}
