// Starting a release: asks for its rollout, or re-attaches to it, and waits. Shared by deploy, env and `release show --wait`.
import type {OutputOf} from '#shared/endpoints.ts'
import {GilliamError} from '#shared/errors.ts'
import {CommandError, Interrupted} from './exit.ts'
import {seconds} from './render.ts'
import type {Session} from './session.ts'
import {stalledAfterMs, type Verdict, watch} from './watch.ts'

export type Release = OutputOf<'createRelease'>
type Rollout = OutputOf<'getRollout'>

const verdictOf = (rollout: Rollout): Verdict => {
  if (rollout.state === 'finished') return {ok: true}
  return rollout.state === 'failed' ? {ok: false, reason: rollout.reason ?? 'the rollout failed'} : undefined
}

const summary = (scale: Readonly<Record<string, number>>): string =>
  Object.entries(scale)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([service, count]) => `${service}=${count}`)
    .join(' ') || 'no services'

const attachHint = (formation: string, release: number): string => `gilliam release show ${release} -f ${formation} --wait`

/** A service may take its whole start timeout before it counts as not starting. */
const limitsOf = (release: Release) => ({
  stalledAfterMs: Math.max(stalledAfterMs, ...Object.values(release.services).map(({health}) => (health?.startTimeoutMs ?? 0) + 20_000)),
})

/** Waits for the end of a rollout; a failed one ends the command with reasons and last log lines. Ctrl-C leaves it running. */
export const waitForRollout = async (session: Session, release: Release): Promise<void> => {
  const client = await session.client()
  const params = {formation: release.formation, release: String(release.release)}
  let rollout: Rollout | undefined
  // Nothing depends on it, so that not hearing of it is no failure; once all is done there is nothing more to hear.
  let isFetching = true
  const fetchesNow = async () => {
    const {items} = isFetching ? await client.call('listFetches', {params}).catch(() => ({items: []})) : {items: []}
    isFetching = items.some(({state}) => state === 'ordered' || state === 'doing')
    return items
  }
  const look = async () => {
    rollout = await client.call('getRollout', {params})
    const {items} = await client.call('listInstances', {
      params: {formation: release.formation},
      query: {release: params.release, all: 'true'},
    })
    return {instances: items, verdict: verdictOf(rollout), fetches: await fetchesNow()}
  }
  try {
    const watched = await watch(session, look, limitsOf(release))
    if (watched.ok) {
      session.progress.end()
      session.progress.say(`Release ${release.release} runs: ${summary(rollout?.scale ?? {})} (${seconds(watched.tookMs)}).`)
      return
    }
    const after =
      rollout?.state === 'failed'
        ? 'The release that ran before, if any, goes on.'
        : `The control plane goes on trying; \`${attachHint(release.formation, release.release)}\` shows how it ends.`
    throw new CommandError(
      'failed',
      [`Release ${release.release} of ${release.formation} did not start: ${watched.reason}`, ...watched.lines, after].join('\n'),
    )
  } catch (error) {
    if (error instanceof Interrupted)
      session.progress.say(`Detached. The rollout goes on; re-attach with \`${attachHint(release.formation, release.release)}\`.`)
    throw error
  }
}

/** Starts a release beside the old ones and waits until it has replaced them. */
export const rollOut = async (session: Session, release: Release, scale?: Readonly<Record<string, number>>): Promise<void> => {
  await (await session.client()).call('createRollout', {
    params: {formation: release.formation},
    body: {release: release.release, ...(scale === undefined ? {} : {scale})},
  })
  await waitForRollout(session, release)
}

/** Whether anything of a formation is wanted: then a new release should replace it. */
export const isRunning = async (session: Session, formation: string): Promise<boolean> => {
  const {items} = await (await session.client()).call('getScale', {params: {formation}})
  return items.some(({desired}) => desired > 0)
}

/** The rollout of a release, if it ever had one. */
export const findRollout = async (session: Session, formation: string, release: number): Promise<Rollout | undefined> => {
  try {
    return await (await session.client()).call('getRollout', {params: {formation, release: String(release)}})
  } catch (error) {
    if (error instanceof GilliamError && error.code === 'not_found') return undefined
    throw error
  }
}
