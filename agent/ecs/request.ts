// What a task is told besides its definition: command, environment but for secrets, place, tags. Pure.
import {createHash} from 'node:crypto'
import type {Assignment} from '#shared/domain/assignment.ts'
import {type ExecutorEnvironment, environmentOf} from '../environment.ts'
import type {InstanceRecord} from '../instance.ts'
import {secretsOf} from './definition.ts'
import type {FargateSettings} from './settings.ts'
import {containerName, instanceTag} from './task.ts'
import type {TaskRequest} from './tasks.ts'

/** ECS takes overrides of 8,192 characters. */
export const overridesCharactersMax = 8_192

/** An image's own: what the agent's machine has is nothing to it. */
const imagesOwn = new Set(['PATH', 'HOME', 'LANG'])
/** Ports of tasks without a fixed one begin here: a task has an address of its own, and an image's user may not bind those below 1,024. */
const portBase = 20_000

/**
 * Container ports by service port: fixed ones, the image’s own for what has a type (its program knows no `$PORT`), and others above {@link portBase}, in
 * order. The same whenever they are asked for.
 */
export const taskPortsOf = ({ports, type, image}: Pick<Assignment, 'ports' | 'type' | 'image'>): Record<string, number> =>
  Object.fromEntries(
    ports.map(({port, hostPort}, at) => [port, hostPort ?? (type !== undefined && image !== undefined ? port : portBase + at)]),
  )

// $1 where the slug is, $2 its digest, $3 the command.
const unpackAndRun = `set -e; mkdir -p /tmp/gilliam/run; cd /tmp/gilliam
curl -fsSL --retry 3 -o slug "$1"; echo "$2  slug" | sha256sum -c - >/dev/null; tar -xzf slug -C run; rm slug
cd run; exec /bin/sh -c "$3"`

export interface Source {
  /** Where its slug can be downloaded, when it has no image of its own. */
  readonly slugUrl?: string
}

const commandOf = ({image, script, slug, args}: Assignment, {slugUrl}: Source): string[] | undefined => {
  if (image !== undefined) return args === undefined ? undefined : [...args]
  if (script === undefined) return undefined
  if (slug !== undefined && slugUrl !== undefined) return ['/bin/sh', '-c', unpackAndRun, 'gilliam', slugUrl, slug.sha256, script]
  return ['/bin/sh', '-c', script]
}

const variablesOf = (assignment: Assignment, executor: ExecutorEnvironment, ports: Record<string, number>): Record<string, string> => {
  const given = {ports, first: assignment.ports[0]?.port, home: '/'}
  const all = Object.entries(environmentOf(assignment, {...executor, host: '0.0.0.0'}, given))
  const secrets = secretsOf(assignment)
  const own = all.filter(([name]) => !imagesOwn.has(name) || Object.hasOwn(assignment.env, name))
  return Object.fromEntries(own.filter(([name]) => !Object.hasOwn(secrets, name)))
}

/** Names a start: asking for it twice starts one task. Of one instance, no two starts have the same. */
const startToken = ({key, restarts, failures}: InstanceRecord, executor: string): string =>
  createHash('sha256').update(`${executor} ${key} ${restarts} ${failures}`).digest('hex')

/** The request for one instance, or why there can be none. */
export const requestOf = (
  record: InstanceRecord,
  given: {
    readonly taskDefinition: string
    readonly executor: ExecutorEnvironment
    readonly ports: Record<string, number>
    readonly settings: FargateSettings
    readonly source: Source
  },
): {readonly request: TaskRequest} | {readonly refused: string} => {
  const {taskDefinition, executor, ports, settings, source} = given
  const {assignment, key} = record
  const environment = Object.entries(variablesOf(assignment, executor, ports)).map(([name, value]) => ({name, value}))
  const command = commandOf(assignment, source)
  const overrides = {containerOverrides: [{name: containerName, environment, ...(command !== undefined && {command})}]}
  const characters = JSON.stringify(overrides).length
  if (characters > overridesCharactersMax)
    return {
      refused: `its environment and command are ${characters} characters, and ECS takes ${overridesCharactersMax}: keep large values elsewhere`,
    }
  const {subnets, securityGroups, publicIp, spot} = settings
  const launch = spot ? {capacityProviderStrategy: [{capacityProvider: 'FARGATE_SPOT', weight: 1}]} : {launchType: 'FARGATE' as const}
  const request: TaskRequest = {
    taskDefinition,
    ...launch,
    networkConfiguration: {awsvpcConfiguration: {subnets, securityGroups, assignPublicIp: publicIp ? 'ENABLED' : 'DISABLED'}},
    overrides,
    clientToken: startToken(record, executor.executor),
    tags: [{key: instanceTag, value: key}],
  }
  return {request}
}
