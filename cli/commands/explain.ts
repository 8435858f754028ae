// `gilliam explain TARGET`: where an instance, or the next one of a service, may run, and what is in the way elsewhere.
import type {Command} from 'commander'
import type {OutputOf} from '#shared/endpoints.ts'
import {GilliamError} from '#shared/errors.ts'
import {cores, table} from '../render.ts'
import {neutralise} from '../safe.ts'
import type {Session, World} from '../session.ts'
import {act, checkServices, instanceId, number, verb} from '../verb.ts'

type Explanation = OutputOf<'explain'>

const describe = (explanation: Explanation, session: Session): string => {
  const {target, release, resources, requirements, rank, executor, candidates, refusals, change} = explanation
  const facts = [
    `${neutralise(target)} of release ${release}${executor === undefined ? '' : ` is on ${neutralise(executor)}`}`,
    `needs      ${cores(resources.cpuMilli)} cpu, ${resources.memoryMib}Mi memory`,
    ...requirements.map(text => `requires   ${neutralise(text)}`),
    `rank       ${neutralise(rank)}`,
  ]
  const fits = candidates.map(candidate => [candidate.executor, candidate.rank, candidate.reason])
  const no = refusals.map(refusal => [refusal.executor, refusal.reasons.join('; '), refusal.change])
  return [
    `${facts.join('\n')}\n`,
    candidates.length === 0 ? 'No executor fits now.\n' : table(['fits on', 'rank', 'note'], fits, session.paintOut),
    ...(refusals.length === 0 ? [] : [table(['not on', 'because', 'would fit with'], no, session.paintOut)]),
    ...(change === undefined ? [] : [`Smallest change: ${neutralise(change)}\n`]),
  ].join('\n')
}

const explain = async (session: Session, target: string, release: string | undefined): Promise<void> => {
  if (target.includes('.')) instanceId(target)
  const formation = await session.formation()
  const query: {release?: string} = release === undefined ? {} : {release: String(number(release, 'A release', 1, 999_999_999))}
  const explanation = await (await session.client()).call('explain', {params: {formation, target}, query}).catch(async (error: unknown) => {
    // Neither an instance nor a service: told as everywhere else, with the service that was probably meant.
    if (error instanceof GilliamError && error.code === 'not_found' && !target.includes('.'))
      await checkServices(session, [target], query.release)
    throw error
  })
  session.print(describe(explanation, session), explanation)
}

export const addExplain = (program: Command, world: World): void => {
  verb(program, 'explain', 'Show where an instance or service fits, and why not elsewhere')
    .argument('<target>', 'a service, SERVICE.ID, or ID')
    .option('-r, --release <n>', 'of a service: the release; the latest by default')
    .action(act<{release?: string}>(world, (session, [target = ''], {release}) => explain(session, target, release)))
}
