// `gilliam create [NAME]`: makes a formation and lets the project remember it.
import {basename} from 'node:path'
import type {Command} from 'commander'
import {isName} from '#shared/domain/names.ts'
import {GilliamError} from '#shared/errors.ts'
import {CommandError} from '../exit.ts'
import {manifestFormation, remember} from '../project.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'

/** The operand, -f, the manifest's name, or the project folder's. */
const nameFor = async (session: Session, operand: string | undefined): Promise<string> => {
  const project = await session.project()
  const name = operand ?? session.options.formation ?? (await manifestFormation(project)) ?? basename(project.dir)
  if (isName(name)) return name
  throw new CommandError(
    'usage',
    `“${name}” can not be a formation's name: lower-case letters, digits and dashes, at most 40, starting with a letter. Choose one: gilliam create NAME.`,
  )
}

const create = async (session: Session, operand: string | undefined): Promise<void> => {
  const name = await nameFor(session, operand)
  const {name: stage} = await session.stage()
  const formation = await (await session.client()).call('createFormation', {body: {name}}).catch((error: unknown) => {
    if (!(error instanceof GilliamError) || error.code !== 'already_exists') throw error
    throw new GilliamError(
      error.code,
      `${error.message}\nTo work with it, add -f ${name} to a command, or \`formation: ${name}\` to gilliam.yml.`,
    )
  })
  await remember(await session.project(), {formation: name, stage})
  session.print(`${formation.name}\n`, formation)
  session.progress.say(`Created formation ${formation.name} on stage ${stage}.`)
}

export const addCreate = (program: Command, world: World): void => {
  verb(program, 'create', 'Create a formation')
    .argument('[name]', 'its name; by default the one in gilliam.yml, else the folder’s')
    .action(act(world, (session, [name]) => create(session, name)))
}
