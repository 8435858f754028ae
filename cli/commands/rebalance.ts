// `gilliam rebalance`: shows which instances would be better off on other executors by now, asks, and has them made anew there, a few at a time.
import type {Command} from 'commander'
import type {OutputOf} from '#shared/endpoints.ts'
import {CommandError, Interrupted} from '../exit.ts'
import {table} from '../render.ts'
import {neutralise} from '../safe.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'

const pollMs = 1_000
/** Without a step being finished. */
const patienceMs = 120_000

interface RebalanceOptions {
  readonly plan?: boolean
  readonly yes?: boolean
}

type Rebalanced = OutputOf<'rebalance'>

const gainOf = ({gain}: Rebalanced['items'][number]): string =>
  gain === undefined ? 'its requirements do not hold where it is' : `rank higher by ${Math.round(gain * 1_000) / 1_000}`

const confirm = async (session: Session): Promise<void> => {
  if (!session.inIsTty) throw new CommandError('usage', 'Add --yes to do it without being asked, or --plan to see it only.')
  const answer = await session.ask('For each, another one is made; when that runs, the old one stops. Go on? (y/N) ')
  if (!/^y(es)?$/i.test(answer.trim())) throw new CommandError('failed', 'Nothing was changed.')
}

/** Takes steps until as many were begun as were planned, or nothing is left, and all have arrived. */
const carryOut = async (session: Session, formation: string, planned: number): Promise<number> => {
  const client = await session.client()
  let begun = 0
  let since = session.now()
  for (;;) {
    const {items, moving} = await client.call('rebalance', {params: {formation}, body: {plan: begun >= planned}})
    const started = items.filter(item => item.started)
    for (const {name, from, to} of started) session.progress.say(`${neutralise(name)}: ${neutralise(from)} → ${neutralise(to)}`)
    begun += started.length
    if (started.length > 0) since = session.now()
    if (moving === 0 && (begun >= planned || items.length === 0)) return begun
    if (session.now() - since > patienceMs)
      throw new CommandError(
        'failed',
        `Nothing has moved for ${patienceMs / 1_000} s; \`gilliam ps -f ${formation}\` shows what it waits for.`,
      )
    session.progress.show(new Map([['', `  ${begun} of ${planned} begun, ${moving} on the way`]]))
    await session.sleep(pollMs)
  }
}

const rebalance = async (session: Session, {plan, yes}: RebalanceOptions): Promise<void> => {
  const formation = await session.formation()
  const client = await session.client()
  const planned = await client.call('rebalance', {params: {formation}, body: {plan: true}})
  const rows = planned.items.map(item => [item.name, item.release, item.from, item.to, gainOf(item)])
  const shown =
    rows.length === 0
      ? 'Nothing would be better off elsewhere.\n'
      : table(['instance', 'release', 'from', 'to', 'because'], rows, session.paintOut)
  session.print(shown, planned)
  if (plan === true || rows.length === 0) return
  if (yes !== true) await confirm(session)
  try {
    const begun = await carryOut(session, formation, rows.length)
    session.progress.end()
    session.progress.say(`Rebalanced ${begun} ${begun === 1 ? 'instance' : 'instances'}.`)
  } catch (error) {
    if (error instanceof Interrupted) session.progress.say('Detached. What was begun is finished; nothing more is begun.')
    throw error
  }
}

export const addRebalance = (program: Command, world: World): void => {
  verb(program, 'rebalance', 'Spread instances anew over the executors there are now')
    .option('--plan', 'only show what would be done')
    .option('-y, --yes', 'do not ask')
    .action(act<RebalanceOptions>(world, (session, _, options) => rebalance(session, options)))
}
