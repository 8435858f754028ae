// Task definitions of one executor on ECS, each with the parameters that its secrets are in: registered when first needed, and gone when nothing uses them.
// A parameter never is without its definition, so that definitions are all there is to look for.
import {
  DeregisterTaskDefinitionCommand,
  DescribeTaskDefinitionCommand,
  type ECSClient,
  ListTaskDefinitionFamiliesCommand,
  ListTaskDefinitionsCommand,
  RegisterTaskDefinitionCommand,
  type TaskDefinition,
} from '@aws-sdk/client-ecs'
import type {Definition} from './definition.ts'
import type {Parameters} from './parameters.ts'
import {type Patience, patiently} from './throttle.ts'

/** Families remembered as registered; all are asked for anew when there are more. */
const knownMax = 2_000
/** How long a definition that was asked for is left alone: its task may not be there yet. */
export const fresh = {ms: 15 * 60_000} as const
/** Retired at one time, so that ECS is left in peace. */
const retiredMax = 50

export interface DefinitionsOptions extends Patience {
  readonly client: ECSClient
  readonly parameters: Parameters
  /** What its families begin with, and no others. */
  readonly prefix: string
  /** Milliseconds that never jump. */
  readonly now: () => number
}

const isUnknown = (error: unknown): boolean =>
  error instanceof Error && error.name === 'ClientException' && /unable to describe/i.test(error.message)

export class Definitions {
  readonly #options: DefinitionsOptions
  readonly #known = new Map<string, Promise<string>>()
  readonly #wantedAt = new Map<string, number>()
  #unused: ReadonlySet<string> = new Set()

  constructor(options: DefinitionsOptions) {
    this.#options = options
  }

  /** Its ARN; registers it unless somebody has, and keeps its secrets, by name of the variable. */
  ensure(definition: Definition, secrets: Readonly<Record<string, string>>): Promise<string> {
    const {family} = definition
    this.#wantedAt.set(family, this.#options.now())
    const known = this.#known.get(family)
    if (known !== undefined) return known
    if (this.#known.size >= knownMax) this.#known.clear()
    const made = this.#make(definition, secrets)
    this.#known.set(family, made)
    made.catch(() => this.#known.delete(family))
    return made
  }

  /** Deregisters what no task is of any more, the second time it is found so, and removes its parameters. Answers the families. */
  async tidy(inUse: ReadonlySet<string>): Promise<string[]> {
    const families = await this.#families()
    const since = this.#options.now() - fresh.ms
    for (const [family, at] of this.#wantedAt) if (at < since) this.#wantedAt.delete(family)
    const unused = families.filter(family => !inUse.has(family) && !this.#wantedAt.has(family))
    const retired = unused.filter(family => this.#unused.has(family)).slice(0, retiredMax)
    this.#unused = new Set(unused)
    for (const family of retired) await this.#retire(family)
    return retired
  }

  async #make(definition: Definition, secrets: Readonly<Record<string, string>>): Promise<string> {
    const found = await this.#find(definition.family)
    const arn = found?.taskDefinitionArn ?? (await this.#register(definition))
    for (const {name = '', valueFrom = ''} of definition.containerDefinitions?.[0]?.secrets ?? [])
      await this.#options.parameters.put(valueFrom, secrets[name] ?? '')
    return arn
  }

  async #find(family: string): Promise<TaskDefinition | undefined> {
    try {
      const command = new DescribeTaskDefinitionCommand({taskDefinition: family})
      const {taskDefinition} = await patiently(() => this.#options.client.send(command), this.#options)
      return taskDefinition?.status === 'ACTIVE' ? taskDefinition : undefined
    } catch (error) {
      if (isUnknown(error)) return undefined
      throw error
    }
  }

  async #register(definition: Definition): Promise<string> {
    const command = new RegisterTaskDefinitionCommand(definition)
    const {taskDefinition} = await patiently(() => this.#options.client.send(command), this.#options)
    if (taskDefinition?.taskDefinitionArn === undefined) throw new Error(`ECS did not register ${definition.family}`)
    return taskDefinition.taskDefinitionArn
  }

  async #families(): Promise<string[]> {
    const {client, prefix} = this.#options
    const families: string[] = []
    let nextToken: string | undefined
    do {
      const given = {familyPrefix: prefix, status: 'ACTIVE' as const, ...(nextToken !== undefined && {nextToken})}
      const page = await patiently(() => client.send(new ListTaskDefinitionFamiliesCommand(given)), this.#options)
      families.push(...(page.families ?? []))
      nextToken = page.nextToken
    } while (nextToken !== undefined)
    return families
  }

  // Parameters first: when the rest fails the definition is still there, and tells the next time where they are.
  async #retire(family: string): Promise<void> {
    const {client, parameters} = this.#options
    this.#known.delete(family)
    const secrets = (await this.#find(family))?.containerDefinitions?.[0]?.secrets ?? []
    await parameters.remove(secrets.flatMap(({valueFrom}) => valueFrom ?? []))
    const list = new ListTaskDefinitionsCommand({familyPrefix: family, status: 'ACTIVE'})
    const {taskDefinitionArns = []} = await patiently(() => client.send(list), this.#options)
    for (const taskDefinition of taskDefinitionArns)
      await patiently(() => client.send(new DeregisterTaskDefinitionCommand({taskDefinition})), this.#options)
  }
}
