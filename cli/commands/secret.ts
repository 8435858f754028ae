// `gilliam secret set | list | rm`: values that no listing shows. A value never stands on the command line, where others could read it.
import {readFile} from 'node:fs/promises'
import type {Command} from 'commander'
import {CommandError} from '../exit.ts'
import {table, time} from '../render.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'

interface SetOptions {
  readonly file?: string
}

/** Without the line end that editors and `echo` leave. */
const readValue = async (session: Session, {file}: SetOptions): Promise<string> => {
  if (file === undefined && session.inIsTty)
    throw new CommandError('usage', 'Pipe the value in (`gilliam secret set NAME < file`), or name its file with --file.')
  const text = await (file === undefined ? session.readIn() : readFile(file, 'utf8')).catch((error: Error) => {
    throw new CommandError('usage', `Can not read the value: ${error.message}`)
  })
  const value = text.replace(/\r?\n$/, '')
  if (value === '') throw new CommandError('usage', 'The value is empty.')
  return value
}

const set = async (session: Session, secret: string, options: SetOptions): Promise<void> => {
  const formation = await session.formation()
  const body = {value: await readValue(session, options)}
  const made = await (await session.client()).call('setSecret', {params: {formation, secret}, body})
  session.progress.say(`Secret ${secret} of ${formation} is at version ${made.version}; environments refer to it as secret://${secret}.`)
  if (made.replacing > 0)
    session.progress.say(`Instances that run with the former value are replaced: ${made.replacing}. \`gilliam ps\` shows them.`)
  session.print('', made)
}

const list = async (session: Session): Promise<void> => {
  const formation = await session.formation()
  const {items} = await (await session.client()).call('listSecrets', {params: {formation}})
  const rows = items.map(({name, version, updatedAt, updatedBy}) => [name, version, time(updatedAt), updatedBy])
  session.print(table(['name', 'version', 'set', 'by'], rows, session.paintOut), {items})
}

const remove = async (session: Session, secret: string): Promise<void> => {
  const formation = await session.formation()
  await (await session.client()).call('deleteSecret', {params: {formation, secret}})
  session.progress.say(`Removed secret ${secret} of ${formation}.`)
  session.print('', {name: secret})
}

export const addSecret = (program: Command, world: World): void => {
  const group = program.command('secret').description('Set, list and remove secrets of a formation')
  verb(group, 'set', 'Set a secret from standard input or a file; what uses it is replaced')
    .argument('<name>', 'as secret://NAME refers to it')
    .option('--file <file>', 'a file that holds the value')
    .action(act<SetOptions>(world, (session, [name = ''], options) => set(session, name, options)))
  verb(group, 'list', 'List secrets, without their values').action(act(world, list))
  verb(group, 'rm', 'Remove a secret that nothing uses')
    .argument('<name>', 'as `gilliam secret list` shows it')
    .action(act(world, (session, [name = '']) => remove(session, name)))
}
