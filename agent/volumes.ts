// The folders of volumes: made, found, moved between what runs their instances, and removed when somebody asked for that. Containers' volumes are apart from
// those of processes, below a folder that only the agent enters: root of a container may leave a setuid program in its volume, which no process of the machine
// is to reach. Decides nothing about who has a volume.
import {existsSync} from 'node:fs'
import {mkdir, rename} from 'node:fs/promises'
import {join} from 'node:path'
import type {Assignment} from '#shared/domain/assignment.ts'
import type {RemovalChore} from '#shared/domain/chore.ts'
import {isInstanceId, isName, isServiceName} from '#shared/domain/names.ts'
import type {InstanceRecord} from './instance.ts'
import {giveTree, type Owner, removeTrees} from './runtime/owner.ts'

/** Where volumes are, by what runs their instances. */
export interface VolumePlaces {
  /** Instances of another user find the way through it. */
  readonly process: string
  /** Mode 0700 always. */
  readonly docker: string
}

export interface MadeVolume {
  readonly directory: string
  /** Where a container finds it. */
  readonly path: string
}

type Owning = Pick<Assignment, 'formation' | 'service' | 'volume'>

/** `FORMATION.SERVICE.ID` */
export const volumeName = ({formation, service}: Pick<Assignment, 'formation' | 'service'>, id: string): string =>
  `${formation}.${service}.${id}`

/** The folder of its volume, where it is. */
export const findVolume = (places: VolumePlaces, {formation, service, volume}: Owning): string | undefined => {
  if (volume === undefined) return undefined
  const name = volumeName({formation, service}, volume.id)
  return [places.process, places.docker].map(place => join(place, name)).find(existsSync)
}

/**
 * The folder of its volume for an instance that is about to start, made when there is none, and moved when the last one was run otherwise. `owner` gets all that
 * is in it, which also takes set-user-ID bits and capabilities from files (chown(2)).
 */
export const makeVolume = async (
  places: VolumePlaces,
  kind: keyof VolumePlaces,
  {formation, service, volume}: Owning,
  owner?: Owner,
): Promise<MadeVolume | undefined> => {
  if (volume === undefined) return undefined
  const name = volumeName({formation, service}, volume.id)
  const [directory, former] = [join(places[kind], name), join(places[kind === 'docker' ? 'process' : 'docker'], name)]
  const isMoved = !existsSync(directory) && existsSync(former)
  if (isMoved && owner !== undefined) await giveTree(former, owner, 'always')
  if (isMoved) await rename(former, directory)
  else await mkdir(directory, {recursive: true, mode: 0o700})
  if (owner !== undefined) await giveTree(directory, owner)
  return {directory, path: volume.path}
}

/** Removes a volume's data, wherever it is; nothing to remove is no failure. Rejects when an instance that is here has it, or it is no volume's name. */
export const removeUnused = async (
  places: VolumePlaces,
  {formation, service, volume}: Pick<RemovalChore, 'formation' | 'service' | 'volume'>,
  records: ReadonlyMap<string, InstanceRecord>,
): Promise<void> => {
  if (!isName(formation) || !isServiceName(service) || !isInstanceId(volume)) throw new Error('it is no name of a volume')
  const owning = {formation, service, volume: {path: '', id: volume}}
  const holder = [...records.values()].find(
    ({phase, assignment}) =>
      phase !== 'ended' && assignment.formation === formation && assignment.service === service && assignment.volume?.id === volume,
  )
  if (holder !== undefined) throw new Error(`${holder.key} has it`)
  for (let left = findVolume(places, owning); left !== undefined; left = findVolume(places, owning)) await removeAll(left)
}

/** An agent that is not root owns the folder, and nothing that a container’s root made in it. */
const removeAll = async (folder: string): Promise<void> => {
  try {
    await removeTrees([folder])
  } catch (error) {
    if (!['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    throw new Error(`${folder} holds folders of another user, which this agent may not remove: do so as root`, {cause: error})
  }
}
