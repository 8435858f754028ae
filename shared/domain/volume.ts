// Storage that outlives instances and stays with its executor: what is known of it, and the rule that one instance at a time has it. Pure.
import type {ChoreReport} from './chore.ts'
import type {DesiredScale, Formation} from './formation.ts'
import type {Instance} from './instance.ts'
import {isTerminal} from './instance.ts'
import type {Rollout} from './rollout.ts'

/** Of executors that keep no volumes: those of Fargate set it themselves. */
export const noVolumesLabel = 'no-volumes'

/** The volume of a service of a formation, made when its first instance was placed. */
export interface Volume {
  readonly formation: Formation['name']
  readonly service: string
  /** That of the first instance that had it; names its folder. */
  readonly id: string
  readonly executor: string
  /** The instance that has it now. */
  readonly holder?: string
  readonly createdAt: number
}

/** A volume that was given up, whose data its executor has not removed yet. */
export interface DoomedVolume extends Volume {
  readonly removal: {readonly state: 'ordered' | ChoreReport['state']; readonly text?: string}
}

interface Claims {
  readonly volumes: readonly Volume[]
  readonly instances: readonly Instance[]
  readonly scales: readonly DesiredScale[]
  readonly rollouts: readonly Rollout[]
}

/** Services that one instance at a time may run of, over all releases. */
export const volumeServices = ({volumes, instances}: Claims): ReadonlySet<string> =>
  new Set([...volumes, ...instances.filter(each => each.volume !== undefined && !isTerminal(each.state))].map(({service}) => service))

/** The release whose instance may have the volume: that of a rollout under way, else the newest that wants one. */
export const ownerOf = ({scales, rollouts}: Claims, service: string): number | undefined => {
  const wanting = scales.filter(each => each.service === service && each.desired > 0).map(({release}) => release)
  const next = rollouts.find(({state, release}) => state === 'starting' && wanting.includes(release))
  return next?.release ?? (wanting.length === 0 ? undefined : Math.max(...wanting))
}

/** Whether a pending instance was made for a volume that is not the present one. */
export const isMisplaced = ({volumes}: Claims, {state, service, volume}: Instance): boolean =>
  state === 'pending' && volume !== undefined && volumes.find(each => each.service === service)?.id !== volume.id
