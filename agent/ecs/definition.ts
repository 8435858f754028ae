// The task definition of a service: what is the same for all its instances, with the names of the parameters that its secrets are in. Registered once for each
// content, which its family is named after; what differs between instances goes with the task itself. Pure.
import {createHash, createHmac} from 'node:crypto'
import type {RegisterTaskDefinitionCommandInput, Secret} from '@aws-sdk/client-ecs'
import type {Assignment} from '#shared/domain/assignment.ts'
import {isReservedVariable} from '#shared/domain/names.ts'
import {optionsOf, unfitFor} from './options.ts'
import type {FargateSettings} from './settings.ts'
import {taskSizeFor} from './sizes.ts'
import {containerName} from './task.ts'

/** Of Fargate, between SIGTERM and SIGKILL. */
const stopSecondsMax = 120
const hashCharacters = 12
/** What SSM keeps in one parameter at most, in bytes. */
const parameterBytesMax = 8_192

export type Definition = Omit<RegisterTaskDefinitionCommandInput, 'family'> & {readonly family: string}
type Refusal = {readonly refused: string}

/** The image it runs in, or why there is none. */
export const imageOf = ({image, slug, script, type}: Assignment, {stackImage}: FargateSettings): {readonly image: string} | Refusal => {
  if (image !== undefined) return {image}
  if (script === undefined)
    return {refused: `Fargate runs images: the ${type === undefined ? 'service' : `type ${type}`} has none; give it an image`}
  if (slug === undefined || stackImage !== undefined) return stackImage === undefined ? {refused: noStack} : {image: stackImage}
  return {refused: noStack}
}

const noStack =
  'this Fargate executor runs images only: give the service an image, or the executor a stackImage (GILLIAM_FARGATE) that slugs are run in'

/** Of the CloudWatch streams that the tasks of an executor write. */
export const streamPrefixOf = (executor: string): string => `_tasks/${executor}/`

/** What the families of an executor begin with, and no other's: names of stages and executors have no underscore. */
export const familyPrefixOf = (stage: string, executor: string): string => `gilliam_${stage}_${executor}_`

/** Variables that go by way of parameters, which can not be empty: what anybody with a look at the task could read else. */
export const secretsOf = ({env, secretEnv = []}: Pick<Assignment, 'env' | 'secretEnv'>): Record<string, string> =>
  Object.fromEntries(
    secretEnv.flatMap(name => (env[name] === undefined || env[name] === '' || isReservedVariable(name) ? [] : [[name, env[name]]])),
  )

/** Where an executor's parameters are. */
export const parameterPathOf = (stage: string, executor: string): string => `/gilliam-tasks/${stage}/${executor}/`

export interface DefinitionGiven {
  readonly stage: string
  readonly executor: string
  /** Those the container listens on. */
  readonly ports: readonly number[]
  readonly settings: FargateSettings
  /** Names values in a way that tells nothing of them to who lacks it. */
  readonly digestKey: Buffer
}

/** What is registered for the assignment's service. Other values of its secrets make another definition: none that runs finds its parameters changed. */
export const definitionOf = (assignment: Assignment, given: DefinitionGiven): Definition | Refusal => {
  const {stage, executor, ports, settings, digestKey} = given
  const secret = Object.entries(secretsOf(assignment))
  const large = secret.find(([, value]) => Buffer.byteLength(value) > parameterBytesMax)
  if (large !== undefined)
    return {refused: `the secret in ${large[0]} is larger than the ${parameterBytesMax} bytes that a parameter holds`}
  const unfit = unfitFor(assignment)
  if (unfit !== undefined) return {refused: unfit}
  const choice = imageOf(assignment, settings)
  if ('refused' in choice) return choice
  const options = optionsOf(assignment)
  const {cpuMilli, memoryMib} = assignment.resources
  const size = taskSizeFor(assignment.resources)
  if (size === undefined) return {refused: `Fargate has no task of ${cpuMilli / 1_000} cores and ${memoryMib} MiB: ask for less`}
  const {formation, service, stopGraceMs} = assignment
  const content = {
    requiresCompatibilities: ['FARGATE' as const],
    networkMode: 'awsvpc' as const,
    cpu: String(size.cpuUnits),
    memory: String(size.memoryMib),
    runtimePlatform: {cpuArchitecture: settings.arch, operatingSystemFamily: 'LINUX' as const},
    executionRoleArn: settings.executionRole,
    ...(settings.taskRole !== undefined && {taskRoleArn: settings.taskRole}),
    ...(options.volumes.length > 0 && {volumes: [...options.volumes]}),
    containerDefinitions: [
      {
        name: containerName,
        image: choice.image,
        essential: true,
        portMappings: ports.map(containerPort => ({containerPort, protocol: 'tcp' as const})),
        linuxParameters: {initProcessEnabled: true},
        ...options.container,
        stopTimeout: Math.min(stopSecondsMax, Math.max(1, Math.ceil(stopGraceMs / 1_000))),
        logConfiguration: {
          logDriver: 'awslogs' as const,
          options: {
            'awslogs-group': settings.logGroup,
            'awslogs-region': settings.region,
            'awslogs-stream-prefix': `${streamPrefixOf(executor)}${formation}/${service}`,
            mode: 'non-blocking',
            'max-buffer-size': '4m',
          },
        },
      },
    ],
  }
  const values = createHmac('sha256', digestKey).update(JSON.stringify(secret)).digest('hex')
  const named = JSON.stringify(secret.length === 0 ? content : [content, values])
  const hash = createHash('sha256').update(named).digest('hex').slice(0, hashCharacters)
  const family = `${familyPrefixOf(stage, executor)}${formation}_${service}_${hash}`
  const secrets = secret.map(([name]): Secret => ({name, valueFrom: `${parameterPathOf(stage, executor)}${family}/${name}`}))
  const containerDefinitions = content.containerDefinitions.map(each => (secrets.length === 0 ? each : {...each, secrets}))
  return {family, ...content, containerDefinitions}
}
