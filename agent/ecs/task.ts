// What ECS says of a task, as the agent understands it. Pure.
import type {Task} from '@aws-sdk/client-ecs'
import type {Exit} from '../instance.ts'

/** The tag that names the instance, as the agent keys it: `<formation>.<service>.<id>`. */
export const instanceTag = 'gilliam:instance'
export const containerName = 'instance'

export interface TaskView {
  readonly arn: string
  /** Undefined when the task is not one of ours. */
  readonly key: string | undefined
  /** `starting`: no process yet. `ended`: no process any more, though ECS may still be tidying up. */
  readonly state: 'starting' | 'running' | 'ended'
  /** ECS was told to stop it. */
  readonly isStopping: boolean
  /** Its address in the network, once it has one. */
  readonly host?: string
  readonly exit: Exit
  /** The family of its definition. */
  readonly family: string
  /** Milliseconds since the epoch. */
  readonly createdAt: number
}

/** Task states in their order, as ECS goes through them (“Amazon ECS task lifecycle”); what is not here has not begun. */
const begun = new Set(['RUNNING', 'DEACTIVATING', 'STOPPING', 'DEPROVISIONING', 'STOPPED', 'DELETED'])
const over = new Set(['STOPPED', 'DELETED'])
/** Stops that say nothing beyond what was asked for, or the exit code tells. */
const expectedStops = new Set(['EssentialContainerExited', 'UserInitiated'])

const hostOf = ({attachments = []}: Task): string | undefined =>
  attachments.find(({type}) => type === 'ElasticNetworkInterface')?.details?.find(({name}) => name === 'privateIPv4Address')?.value

const exitOf = ({containers = [], stopCode, stoppedReason}: Task): Exit => {
  const container = containers.find(({name}) => name === containerName)
  const stopped = stopCode !== undefined && !expectedStops.has(stopCode) ? stoppedReason : undefined
  const reason = container?.reason ?? stopped
  const code = container?.exitCode
  return {...(code !== undefined && {code}), ...(reason !== undefined && {reason})}
}

export const viewOf = (task: Task): TaskView => {
  const {taskArn = '', lastStatus = '', desiredStatus, containers = [], tags = [], createdAt, taskDefinitionArn = ''} = task
  const host = hostOf(task)
  const hasExited = containers.length > 0 && containers.every(each => each.lastStatus === 'STOPPED')
  const isOver = over.has(lastStatus) || hasExited
  return {
    arn: taskArn,
    key: tags.find(({key}) => key === instanceTag)?.value,
    state: isOver ? 'ended' : begun.has(lastStatus) && host !== undefined ? 'running' : 'starting',
    isStopping: desiredStatus === 'STOPPED',
    ...(host !== undefined && {host}),
    exit: exitOf(task),
    family: /([^/]*):\d+$/.exec(taskDefinitionArn)?.[1] ?? '',
    createdAt: createdAt?.getTime() ?? 0,
  }
}
