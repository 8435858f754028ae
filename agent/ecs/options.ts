// How a service asks to be run beyond its image and size, as Fargate says it; and what of it Fargate can not do, which is refused rather than left out. Pure.
import type {ContainerDefinition, Volume} from '@aws-sdk/client-ecs'
import type {Assignment} from '#shared/domain/assignment.ts'
import {limitsDefault} from '#shared/domain/release.ts'

type Asked = Pick<Assignment, 'args' | 'image' | 'imageArchive' | 'limits' | 'readOnly' | 'slug' | 'user' | 'volume'>

/** What a read-only container can write to: folders of the task's own disk, empty when it starts. */
const writable = {tmp: '/tmp', run: '/run'} as const

const elsewhere = 'keep it from this executor by a requirement, as \'"fargate" not in executor.tags\''

const isRoot = (user: string): boolean => /^(0|root)(:|$)/.test(user)

/** Why the service can not run on Fargate; undefined when it can. */
export const unfitFor = ({args, image, imageArchive, limits, readOnly, slug, user, volume}: Asked): string | undefined => {
  if (volume !== undefined) return `Fargate keeps no volume of ours from one task to the next: ${elsewhere}`
  if (imageArchive !== undefined)
    return `Fargate pulls images from registries only, and this one is in the artifact store alone: push it to a registry and name it there, or ${elsewhere}`
  if (limits !== undefined && limits.pidsMax !== limitsDefault.pidsMax)
    return `Fargate bounds no number of processes (\`limits.pids\`): leave it out, since a task has a machine of its own, or ${elsewhere}`
  if (image === undefined && args !== undefined) return '`args` are for the entry point of an image, and the service has none'
  if (image === undefined && slug !== undefined && readOnly === true && user !== undefined && !isRoot(user))
    return `on Fargate a project in a read-only container is unpacked in /tmp, which is root’s there: leave \`user\` or \`read_only\` out, or ${elsewhere}`
  return undefined
}

interface Options {
  readonly container: Pick<ContainerDefinition, 'user' | 'readonlyRootFilesystem' | 'ulimits' | 'mountPoints'>
  readonly volumes: readonly Volume[]
}

/** Of the definition; empty for what is not asked for. `args` go with the task: they are its command. */
export const optionsOf = ({limits, readOnly, user}: Asked): Options => {
  const folders = readOnly === true ? Object.entries(writable) : []
  const filesMax = limits?.filesMax
  return {
    container: {
      ...(user !== undefined && {user}),
      ...(readOnly === true && {
        readonlyRootFilesystem: true,
        mountPoints: folders.map(([sourceVolume, containerPath]) => ({sourceVolume, containerPath, readOnly: false})),
      }),
      ...(filesMax !== undefined && {ulimits: [{name: 'nofile' as const, softLimit: filesMax, hardLimit: filesMax}]}),
    },
    volumes: folders.map(([name]) => ({name})),
  }
}
