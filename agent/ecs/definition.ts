// The task definition of a service: what is the same for all its instances. Registered once for each content, which its family is named after; what differs
// between instances, and every variable that may be secret, goes with the task itself.
import {createHash} from 'node:crypto'
import {
  DescribeTaskDefinitionCommand,
  type ECSClient,
  RegisterTaskDefinitionCommand,
  type RegisterTaskDefinitionCommandInput,
} from '@aws-sdk/client-ecs'
import type {Assignment} from '#shared/domain/assignment.ts'
import type {FargateSettings} from './settings.ts'
import {taskSizeFor} from './sizes.ts'
import {containerName} from './task.ts'
import {type Patience, patiently} from './throttle.ts'

/** Of Fargate, between SIGTERM and SIGKILL. */
const stopSecondsMax = 120
const hashCharacters = 12
/** Families remembered as registered; all are asked for anew when there are more. */
const knownMax = 2_000

type Definition = Omit<RegisterTaskDefinitionCommandInput, 'family'> & {readonly family: string}
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

/** What the families of an executor begin with, and no other's: names of stages and executors have no underscore. */
const familyPrefixOf = (stage: string, executor: string): string => `gilliam_${stage}_${executor}_`

/** What is registered for the assignment's service. `ports` are those the container listens on. */
export const definitionOf = (
  assignment: Assignment,
  given: {readonly stage: string; readonly executor: string; readonly ports: readonly number[]; readonly settings: FargateSettings},
): Definition | Refusal => {
  const {stage, executor, ports, settings} = given
  const choice = imageOf(assignment, settings)
  if ('refused' in choice) return choice
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
    containerDefinitions: [
      {
        name: containerName,
        image: choice.image,
        essential: true,
        portMappings: ports.map(containerPort => ({containerPort, protocol: 'tcp' as const})),
        linuxParameters: {initProcessEnabled: true},
        stopTimeout: Math.min(stopSecondsMax, Math.max(1, Math.ceil(stopGraceMs / 1_000))),
        logConfiguration: {
          logDriver: 'awslogs' as const,
          options: {
            'awslogs-group': settings.logGroup,
            'awslogs-region': settings.region,
            'awslogs-stream-prefix': `_tasks/${formation}/${service}`,
            mode: 'non-blocking',
            'max-buffer-size': '4m',
          },
        },
      },
    ],
  }
  const hash = createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, hashCharacters)
  return {family: `${familyPrefixOf(stage, executor)}${formation}_${service}_${hash}`, ...content}
}

/** Registers definitions, each once. */
export class Definitions {
  readonly #client: ECSClient
  readonly #patience: Patience
  readonly #known = new Map<string, Promise<string>>()

  constructor(client: ECSClient, patience: Patience) {
    this.#client = client
    this.#patience = patience
  }

  /** Its ARN; registers it unless somebody has. */
  ensure(definition: Definition): Promise<string> {
    const {family} = definition
    const known = this.#known.get(family)
    if (known !== undefined) return known
    if (this.#known.size >= knownMax) this.#known.clear()
    const made = this.#find(family).then(arn => arn ?? this.#register(definition))
    this.#known.set(family, made)
    made.catch(() => this.#known.delete(family))
    return made
  }

  async #find(family: string): Promise<string | undefined> {
    try {
      const command = new DescribeTaskDefinitionCommand({taskDefinition: family})
      const {taskDefinition} = await patiently(() => this.#client.send(command), this.#patience)
      return taskDefinition?.status === 'ACTIVE' ? taskDefinition.taskDefinitionArn : undefined
    } catch (error) {
      if (error instanceof Error && error.name === 'ClientException' && /unable to describe/i.test(error.message)) return undefined
      throw error
    }
  }

  async #register(definition: Definition): Promise<string> {
    const {taskDefinition} = await patiently(() => this.#client.send(new RegisterTaskDefinitionCommand(definition)), this.#patience)
    if (taskDefinition?.taskDefinitionArn === undefined) throw new Error(`ECS did not register ${definition.family}`)
    return taskDefinition.taskDefinitionArn
  }
}
