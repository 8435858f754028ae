// `gilliam exec INSTANCE -- COMMAND`: a command in a running instance, with this terminal.
import type {Command} from 'commander'
import {Ran} from '../exit.ts'
import {neutralise} from '../safe.ts'
import type {Session, World} from '../session.ts'
import {attach} from '../sessions/attach.ts'
import {commandIn, type TerminalOptions, terminalOf, withTerminal} from '../sessions/terminal.ts'
import {act, instanceId, type Operands, verb} from '../verb.ts'

/** An agent hears of it at once, or with its next sync: on AWS within 20 s. */
const waitMs = 45_000

const exec = async (session: Session, operands: Operands, options: TerminalOptions): Promise<void> => {
  const command = commandIn(operands)
  const instance = instanceId(operands[0] ?? '')
  const formation = await session.formation()
  const terminal = terminalOf(session, options)
  const client = await session.client()
  const body = {command, ...(terminal !== undefined && {terminal})}
  const {relay, ticket} = await client.call('execInstance', {params: {formation, instance}, body})
  const {joinRelay} = await import('#shared/sessions/peer.ts')
  const peer = await joinRelay({relay, ticket, waitMs, signal: session.interrupted})
  const {code, reason} = await attach(session, peer, terminal)
  if (reason !== undefined) session.err(`gilliam: ${neutralise(reason)}\n`)
  if (code !== 0) throw new Ran(code)
}

export const addExec = (program: Command, world: World): void => {
  withTerminal(verb(program, 'exec', 'Run a command in a running instance'))
    .argument('<instance>', 'SERVICE.ID as `gilliam ps` shows it, or ID')
    .argument('<command...>', 'program and arguments; no shell reads them')
    .action(act<TerminalOptions>(world, exec))
}
