// `gilliam types`, `types show | add | rm`: types of backing services.
import {readFile, stat} from 'node:fs/promises'
import {resolve} from 'node:path'
import type {Command} from 'commander'
import {typeBytesMax} from '#shared/types/read.ts'
import {CommandError} from '../exit.ts'
import {table} from '../render.ts'
import {neutralise} from '../safe.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'

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
  const mine = [...own.values()].map(({type, origin}) => ({type: type.type, about: type.about, ...origin}))
  const all = [...mine, ...items.filter(({type}) => !own.has(type)).map(({type, about, from, sha256}) => ({type, about, from, sha256}))]
  const rows = all.map(({type, about, from, sha256}) => [type, about, from, sha256.slice(0, 12)])
  session.print(table(['type', 'what it is', 'from', 'sha256'], rows, session.paintOut), {items: all})
}

const show = async (session: Session, name: string): Promise<void> => {
  const own = (await ofProject(session)).get(name)
  const found =
    own === undefined
      ? await (await session.client()).call('getType', {params: {type: name}})
      : {type: name, about: own.type.about, ...own.origin, text: own.text}
  session.print(found.text.split('\n').map(neutralise).join('\n'), found)
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
  verb(group, 'show', 'Show the file of a type')
    .argument('<type>', 'as `gilliam types` shows it')
    .action(act(world, (session, [name = '']) => show(session, name)))
  verb(group, 'add', 'Add a type to the stage, or replace it')
    .argument('<file>', 'the type’s YAML file')
    .action(act(world, (session, [file = '']) => add(session, file)))
  verb(group, 'rm', 'Remove a type of the stage')
    .argument('<type>', 'as `gilliam types` shows it')
    .action(act(world, (session, [name = '']) => remove(session, name)))
}
