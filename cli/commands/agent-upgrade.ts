// `gilliam agent upgrade`: has the executors of a ring run another agent. `gilliam agent versions`: which one each executor runs, and how far it is.
import {createHash} from 'node:crypto'
import {createReadStream} from 'node:fs'
import {stat} from 'node:fs/promises'
import {pipeline} from 'node:stream/promises'
import type {Command} from 'commander'
import {agentBundleBytesMax, upgradeState} from '#shared/domain/agent.ts'
import type {OutputOf} from '#shared/endpoints.ts'
import {CommandError} from '../exit.ts'
import {upload} from '../pack/upload.ts'
import {size, table} from '../render.ts'
import {neutralise} from '../safe.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'
import {agentBundle} from './agent-bundle.ts'

interface UpgradeFlags {
  readonly ring: string
  readonly bundle?: string
  readonly undo?: boolean
}

type Ring = OutputOf<'upgradeAgents'>

const shortened = (version: string): string => version.slice(0, 12)
const wantedOf = (ring: Pick<Ring, 'bundle'> | undefined): string =>
  ring === undefined ? '' : ring.bundle === undefined ? 'installed' : shortened(ring.bundle.sha256)

const sent = async (session: Session, given: string | undefined): Promise<string> => {
  const file = agentBundle(session, given)
  const {size: bytes} = await stat(file)
  if (bytes > agentBundleBytesMax)
    throw new CommandError('usage', `${file} has ${size(bytes)}: an agent’s bundle has at most ${size(agentBundleBytesMax)}.`)
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  const reference = {file, bytes, sha256: hash.digest('hex')}
  await upload(await session.client(), reference, session.interrupted, line => session.progress.say(line))
  return reference.sha256
}

const upgrade = async (session: Session, {ring, bundle, undo = false}: UpgradeFlags): Promise<void> => {
  if (undo && bundle !== undefined) throw new CommandError('usage', '--bundle and --undo do not go together.')
  const body = undo ? {undo} : {sha256: await sent(session, bundle)}
  const wanted = await (await session.client()).call('upgradeAgents', {params: {ring}, body})
  session.progress.say(
    `Ring ${neutralise(ring)} wants ${wantedOf(wanted)}. \`gilliam agent versions\` shows how far it is; --undo goes back.`,
  )
  session.print(`${wantedOf(wanted)}\n`, wanted)
}

const versions = async (session: Session): Promise<void> => {
  const client = await session.client()
  const [{items: executors}, {items: rings}] = await Promise.all([client.call('listExecutors'), client.call('listAgentRings')])
  const wishes = new Map(rings.map(ring => [ring.ring, ring]))
  const items = executors.map(({id, agent}) => {
    const wish = agent === undefined ? undefined : wishes.get(agent.ring)
    const state = agent === undefined ? ('unknown' as const) : upgradeState(agent, wish)
    const why = state === 'refused' ? agent?.refused?.why : undefined
    return {executor: id, ring: agent?.ring, version: agent?.version, wanted: wantedOf(wish), state, ...(why !== undefined && {why})}
  })
  const rows = items.map(({executor, ring, version = '', wanted, state, why}) => {
    return [executor, ring, shortened(version), wanted, why === undefined ? state : `${state}: ${why}`]
  })
  session.print(table(['executor', 'ring', 'version', 'wanted', 'state'], rows, session.paintOut), {items, rings})
}

export const addAgentUpgrade = (group: Command, world: World): void => {
  verb(group, 'upgrade', 'Have the executors of a ring run another agent')
    .requiredOption('--ring <name>', 'the ring: the executors with this label `ring`, or `default`')
    .option('--bundle <file>', 'the agent’s bundle')
    .option('--undo', 'go back to what the ring wanted before')
    .action(act<UpgradeFlags>(world, (session, _, flags) => upgrade(session, flags)))
  verb(group, 'versions', 'Show which agent each executor runs').action(act(world, versions))
}
