// `gilliam destroy [FORMATION]`: stops everything in it and removes it for good, after asking.
import type {Command} from 'commander'
import {isName} from '#shared/domain/names.ts'
import {GilliamError} from '#shared/errors.ts'
import {confirm, type Irrevocable} from '../confirm.ts'
import {CommandError, Interrupted} from '../exit.ts'
import {forget} from '../project.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'

const pollMs = 500
const waitMaxMs = 120_000

interface DestroyOptions {
  readonly yes?: boolean
  readonly wait: boolean
}

const lossOf = (formation: string): Irrevocable => ({
  deed: `Destroying ${formation}`,
  loss: `Everything in ${formation} stops, and its releases and routes are removed for good`,
  name: formation,
  undone: 'Not destroyed',
})

const isGone = async (session: Session, formation: string): Promise<boolean> => {
  try {
    await (await session.client()).call('getFormation', {params: {formation}})
    return false
  } catch (error) {
    if (error instanceof GilliamError && error.code === 'not_found') return true
    throw error
  }
}

const waitUntilGone = async (session: Session, formation: string): Promise<void> => {
  const deadline = session.now() + waitMaxMs
  const client = await session.client()
  while (!(await isGone(session, formation))) {
    if (session.now() > deadline)
      throw new CommandError(
        'failed',
        `${formation} is still being destroyed after ${waitMaxMs / 1_000} s. \`gilliam ps -f ${formation}\` shows what is left.`,
      )
    // Between the two calls it may go away: then the next look says so.
    const {items} = await client.call('listInstances', {params: {formation}}).catch(() => ({items: []}))
    session.progress.show(new Map([[formation, `  ${formation} destroying: instances left: ${items.length}`]]))
    await session.sleep(pollMs)
  }
}

const destroy = async (session: Session, operand: string | undefined, options: DestroyOptions): Promise<void> => {
  const formation = operand ?? (await session.formation())
  if (!isName(formation)) throw new CommandError('usage', `“${formation}” is not a formation name.`)
  const client = await session.client()
  const found = await client.call('getFormation', {params: {formation}})
  if (options.yes !== true) await confirm(session, lossOf(formation))
  if (found.state === 'active') await client.call('destroyFormation', {params: {formation}})
  const project = await session.project()
  if (project.remembered.formation === formation) await forget(project)
  try {
    if (options.wait) await waitUntilGone(session, formation)
  } catch (error) {
    if (error instanceof Interrupted) session.progress.say(`Detached. ${formation} goes on being destroyed.`)
    throw error
  }
  session.progress.end()
  session.progress.say(options.wait ? `Destroyed ${formation}.` : `Destroying ${formation}.`)
  session.print('', {name: formation})
}

export const addDestroy = (program: Command, world: World): void => {
  verb(program, 'destroy', 'Stop everything in a formation and remove it')
    .argument('[formation]', 'the project’s by default')
    .option('--yes', 'do not ask')
    .option('--no-wait', 'do not wait until it is gone')
    .action(act<DestroyOptions>(world, (session, [formation], options) => destroy(session, formation, options)))
}
