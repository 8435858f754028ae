// `gilliam release show [N]`: one release in full; with --wait also how its rollout goes, which is how a lost deploy is re-attached.
import type {Command} from 'commander'
import {CommandError} from '../exit.ts'
import {cores, table, time} from '../render.ts'
import {findRollout, type Release, waitForRollout} from '../rollout.ts'
import {neutralise} from '../safe.ts'
import type {Session, World} from '../session.ts'
import {act, number, verb} from '../verb.ts'

const describe = (session: Session, release: Release, rollout: string): string => {
  const facts = [
    ['release', String(release.release)],
    ['formation', release.formation],
    ['created', time(release.createdAt)],
    ['author', release.author ?? ''],
    ['message', release.message ?? ''],
    ['slug', release.slug === undefined ? '' : `sha256 ${release.slug.sha256} (${release.slug.bytes} bytes)`],
    ['env', Object.keys(release.env).join(' ')],
    ['rollout', rollout],
  ].filter(([, value]) => value !== '')
  const pinned = Object.entries(release.pins ?? {}).map(([image, digest]) => `image ${neutralise(image)} is ${neutralise(digest)}`)
  const services = Object.entries(release.services).sort(([a], [b]) => (a < b ? -1 : 1))
  const rows = services.map(([name, service]) => [
    name,
    service.type ?? service.kind,
    service.ports.map(({port, hostPort}) => (hostPort === undefined ? port : `${hostPort}:${port}`)).join(' '),
    service.scale,
    cores(service.resources.cpuMilli),
    `${service.resources.memoryMib}Mi`,
    service.script ?? service.image,
  ])
  const head = facts.map(([key, value]) => `${`${key}:`.padEnd(11)}${neutralise(value ?? '')}`).join('\n')
  return `${[head, ...pinned].join('\n')}\n\n${table(['service', 'kind', 'ports', 'scale', 'cpu', 'memory', 'runs'], rows, session.paintOut)}`
}

const show = async (session: Session, operand: string | undefined, wait: boolean): Promise<void> => {
  const wanted = operand === undefined || operand === 'latest' ? 'latest' : String(number(operand, 'A release', 1, 999_999_999))
  const formation = await session.formation()
  const release = await (await session.client()).call('getRelease', {params: {formation, release: wanted}})
  if (wait) {
    const before = await findRollout(session, formation, release.release)
    if (before === undefined)
      throw new CommandError('notFound', `Release ${release.release} of ${formation} was never rolled out: there is nothing to wait for.`)
    await waitForRollout(session, release)
  }
  const rollout = await findRollout(session, formation, release.release)
  const state = rollout === undefined ? 'none' : `${rollout.state}${rollout.reason === undefined ? '' : `: ${rollout.reason}`}`
  session.print(describe(session, release, state), {...release, ...(rollout === undefined ? {} : {rollout})})
}

export const addRelease = (program: Command, world: World): void => {
  const group = program.command('release').description('Show one release')
  verb(group, 'show', 'Show a release and its rollout')
    .argument('[n]', 'its number; the latest by default')
    .option('--wait', 'wait for the end of its rollout, showing each instance')
    .action(act<{wait?: boolean}>(world, (session, [n], {wait}) => show(session, n, wait === true)))
}
