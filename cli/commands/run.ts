// `gilliam run SERVICE -- COMMAND`: a command once, in an instance of its own, with this terminal.
import type {Command} from 'commander'
import {Ran} from '../exit.ts'
import {neutralise} from '../safe.ts'
import type {Session, World} from '../session.ts'
import {attach} from '../sessions/attach.ts'
import {joinRun} from '../sessions/join.ts'
import {commandIn, type TerminalOptions, terminalOf, withTerminal} from '../sessions/terminal.ts'
import {act, checkServices, number, type Operands, verb} from '../verb.ts'

interface RunOptions extends TerminalOptions {
  readonly release?: string
  readonly detach?: boolean
  readonly assignedTo?: string
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
  const {code, reason} = await attach(session, await joinRun(session, instance, line), terminal)
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
