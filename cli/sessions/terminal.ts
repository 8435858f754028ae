// Whether a command elsewhere gets a terminal: as asked for, else when this end is one. Also the command itself, as given.
import type {Command} from 'commander'
import type {Terminal} from '#shared/domain/session.ts'
import {CommandError} from '../exit.ts'
import type {Session} from '../session.ts'
import type {Operands} from '../verb.ts'

export interface TerminalOptions {
  readonly tty?: boolean
}

const sizeDefault: Terminal = {columns: 80, rows: 24}

export const terminalOf = ({console, inIsTty, outIsTty}: Session, {tty}: TerminalOptions): Terminal | undefined =>
  (tty ?? (inIsTty && outIsTty)) ? (console.size() ?? sizeDefault) : undefined

/** Adds the options; what follows the first operand is the command's. */
export const withTerminal = (command: Command): Command =>
  command.option('-t, --tty', 'give it a terminal; by default when this is one').option('-T, --no-tty', 'give it none').passThroughOptions()

/** Program and arguments after the first operand; `--` may come before them. */
export const commandIn = ([, ...rest]: Operands): string[] => {
  const command = (rest[0] === '--' ? rest.slice(1) : rest).map(part => part ?? '')
  if (command.length === 0) throw new CommandError('usage', 'Name the command to run, for example `-- ls -l`.')
  return command
}
