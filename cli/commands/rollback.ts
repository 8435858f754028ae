// `gilliam rollback [N]`: starts an earlier release again, as many instances of each service as run now.
import type {Command} from 'commander'
import {CommandError} from '../exit.ts'
import {findRollout, rollOut} from '../rollout.ts'
import type {Session, World} from '../session.ts'
import {act, number, verb} from '../verb.ts'

/** Releases looked at for one that has served; further back nobody wants to go without saying where. */
const lookedBackMax = 50

/** The release that is rolled out: of those with desired instances, the newest. */
const presentRelease = async (session: Session, formation: string): Promise<number> => {
  const {items} = await (await session.client()).call('getScale', {params: {formation}})
  const releases = items.filter(({desired}) => desired > 0).map(({release}) => release)
  if (releases.length === 0)
    throw new CommandError('failed', `Nothing of ${formation} is meant to run: name the release to start, \`gilliam rollback N\`.`)
  return Math.max(...releases)
}

/** The newest release before `present` whose rollout came to its end: one that has served. */
const formerRelease = async (session: Session, formation: string, present: number): Promise<number> => {
  for (let release = present - 1; release > Math.max(0, present - lookedBackMax); release--) {
    if ((await findRollout(session, formation, release))?.state === 'finished') return release
  }
  throw new CommandError(
    'notFound',
    `No release of ${formation} before ${present} was ever rolled out to the end. \`gilliam releases\` lists them; \`gilliam rollback N\` starts any.`,
  )
}

const rollback = async (session: Session, operand: string | undefined): Promise<void> => {
  const formation = await session.formation()
  const present = await presentRelease(session, formation)
  const wanted = operand === undefined ? await formerRelease(session, formation, present) : number(operand, 'A release', 1, 999_999_999)
  if (wanted === present) throw new CommandError('usage', `Release ${wanted} of ${formation} is the one that runs.`)
  const release = await (await session.client()).call('getRelease', {params: {formation, release: String(wanted)}})
  session.progress.say(`Rolling ${formation} back from release ${present} to ${wanted}.`)
  await rollOut(session, release)
  session.print(`release ${wanted}\n`, release)
}

export const addRollback = (program: Command, world: World): void => {
  verb(program, 'rollback', 'Start an earlier release again')
    .argument('[n]', 'its number; by default the last one before the present that was rolled out to the end')
    .action(act(world, (session, [n]) => rollback(session, n)))
}
