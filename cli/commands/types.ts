// `gilliam types`, `types show | add | rm`: types of backing services.
import {readFile, stat} from 'node:fs/promises'
import {resolve} from 'node:path'
import type {Command} from 'commander'
import {factsOf, type TypeFacts} from '#shared/domain/auxiliary.ts'
import {typeBytesMax} from '#shared/types/read.ts'
import {CommandError} from '../exit.ts'
import {table} from '../render.ts'
import {neutralise} from '../safe.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'

interface Named {
  readonly type: string
  readonly about: string
  readonly from: string
}

/** Those of the project one is in; none outside of one. */
const ofProject = async (session: Session) => {
  const {dir, manifestFile} = await session.project()
  if (manifestFile === undefined) return new Map<string, never>()
  const [{typesWanted}, {projectTypes}] = await Promise.all([import('#shared/manifest.ts'), import('../types/own.ts')])
  return projectTypes(dir, typesWanted(await readFile(manifestFile, 'utf8')).sources, session)
}

const list = async (session: Session): Promise<void> => {
  const own = await ofProject(session)
  const {items} = await (await session.client()).call('listTypes')
  const mine = [...own.values()].map(({type, origin}) => ({type: type.type, about: type.about, ...origin, ...factsOf(type)}))
  const all: readonly (Partial<TypeFacts> & Named)[] = [...mine, ...items.filter(({type}) => !own.has(type))]
  const rows = all.map(({type, about, ports = [], volume = '', backup, parameters = [], from}) => {
    const backedUp = backup === undefined ? '' : backup ? 'yes' : 'no'
    return [type, about, ports.join(' '), volume, backedUp, parameters.join(' '), from]
  })
  const headings = ['type', 'what it is', 'ports', 'volume', 'backup', 'parameters', 'from']
  session.print(table(headings, rows, session.paintOut), {items: all})
  session.progress.say('`gilliam types show TYPE` shows how one is used.')
}

/** How it is used, as far as this CLI can read its file. */
const usage = async (text: string, from: string): Promise<string | undefined> => {
  const [{parseType}, {usageOf}] = await Promise.all([import('#shared/types/read.ts'), import('../types/usage.ts')])
  const parsed = parseType(text)
  return parsed.ok ? usageOf(parsed.type, from) : undefined
}

const show = async (session: Session, name: string, {file = false}: {file?: boolean}): Promise<void> => {
  const own = (await ofProject(session)).get(name)
  const found =
    own === undefined
      ? await (await session.client()).call('getType', {params: {type: name}})
      : {type: name, about: own.type.about, ...own.origin, text: own.text}
  const shown = (file ? undefined : await usage(found.text, found.from)) ?? found.text
  session.print(shown.split('\n').map(neutralise).join('\n'), found)
}

const add = async (session: Session, named: string): Promise<void> => {
  const file = resolve(session.cwd, named)
  const text = await stat(file)
    .then(({size}) => {
      if (size > typeBytesMax) throw new Error(`it is larger than ${typeBytesMax} bytes`)
      return readFile(file, 'utf8')
    })
    .catch((error: Error) => {
      throw new CommandError('usage', `Can not read the type: ${error.message}`)
    })
  const {readTypeFile} = await import('../types/own.ts')
  const {type} = readTypeFile({from: named, text})
  const set = await (await session.client()).call('setType', {params: {type: type.type}, body: {text}})
  const {name: stage} = await session.stage()
  session.progress.say(
    `Type ${type.type} is known to stage ${stage}. Releases that are there keep what they hold; the next deploy uses it.`,
  )
  session.print('', set)
}

const remove = async (session: Session, name: string): Promise<void> => {
  await (await session.client()).call('deleteType', {params: {type: name}})
  session.progress.say(`Removed type ${name}. Releases that are there keep what they hold.`)
  session.print('', {type: name})
}

export const addTypes = (program: Command, world: World): void => {
  const group = verb(program, 'types', 'List types of backing services: the project’s, the built-in ones, the stage’s').action(
    act(world, list),
  )
  verb(group, 'show', 'Show how a type is used, as a piece of a manifest')
    .argument('<type>', 'as `gilliam types` shows it')
    .option('--file', 'show its file')
    .action(act(world, (session, [name = ''], options: {file?: boolean}) => show(session, name, options)))
  verb(group, 'add', 'Add a type to the stage, or replace it')
    .argument('<file>', 'the type’s YAML file')
    .action(act(world, (session, [file = '']) => add(session, file)))
  verb(group, 'rm', 'Remove a type of the stage')
    .argument('<type>', 'as `gilliam types` shows it')
    .action(act(world, (session, [name = '']) => remove(session, name)))
}
