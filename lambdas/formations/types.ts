// Types of auxiliaries: those that a stage adds, and what becomes of services that only name one. The release says how it is run, so that executors know no
// types and a release never changes.
import type {Operations} from '#lambdas/middleware.ts'
import {type StageType, type Store, stageTypesMax} from '#lambdas/store/index.ts'
import {factsOf} from '#shared/domain/auxiliary.ts'
import type {ServiceDefinition} from '#shared/domain/release.ts'
import {type FieldError, GilliamError} from '#shared/errors.ts'
import {builtinTypes, digestOf, type FoundType, type Types} from '#shared/types/builtin.ts'
import {parseType} from '#shared/types/read.ts'
import {applyType, needsType} from '#shared/types/resolve.ts'

type Services = Readonly<Record<string, ServiceDefinition>>
type Named = 'listTypes' | 'getType' | 'setType' | 'deleteType'
type Stages = Pick<Store, 'stageTypes'>

/** The file as a type. Files are checked when they are set: one that a later version reads no more is no type. */
const foundIn = ({text, sha256}: StageType): FoundType[] => {
  const parsed = parseType(text)
  return parsed.ok ? [{type: parsed.type, origin: {from: 'stage', sha256}, text}] : []
}

/** By name. The built-in ones win: a name means the same on every stage. */
export const allTypes = async ({stageTypes}: Stages): Promise<Types> => {
  const own = (await stageTypes.list()).flatMap(foundIn)
  return new Map([...own.map(found => [found.type.type, found] as const), ...builtinTypes()])
}

const factsFor = (found: FoundType | undefined) => {
  if (found === undefined) return {}
  const {ports, parameters, ...facts} = factsOf(found.type)
  return {...facts, ports: [...ports], parameters: [...parameters]}
}
const presentBuiltin = (found: FoundType) => ({
  type: found.type.type,
  about: found.type.about,
  from: 'builtin' as const,
  sha256: found.origin.sha256,
  ...factsFor(found),
})
const presentOwn = (own: StageType) => {
  const [found] = foundIn(own)
  const {name, sha256, updatedAt} = own
  return {type: name, about: found?.type.about ?? '', from: 'stage' as const, sha256, updatedAt, ...factsFor(found)}
}

const parsed = (name: string, text: string): void => {
  const read = parseType(text)
  if (!read.ok) {
    const errors = read.problems.map(({line, column, message}) => ({path: 'text', message: `${line}:${column}: ${message}`}))
    throw new GilliamError('invalid_request', `The type’s file has ${errors.length} problems; ${errors[0]?.message ?? ''}`, errors)
  }
  if (read.type.type !== name)
    throw new GilliamError('invalid_request', `The file is of a type “${read.type.type}”, not “${name}”.`, [
      {path: 'text', message: `type is ${read.type.type}`},
    ])
}

const missing = (name: string): GilliamError =>
  new GilliamError('not_found', `There is no type “${name}” of this stage; \`gilliam types\` lists them.`)

export const typeOperations = (store: Store): Pick<Operations<'formations'>, Named> => ({
  listTypes: async () => {
    const builtin = [...builtinTypes().values()].map(presentBuiltin)
    const names = new Set(builtin.map(({type}) => type))
    return {items: [...builtin, ...(await store.stageTypes.list()).filter(({name}) => !names.has(name)).map(presentOwn)]}
  },
  getType: async ({params: {type: name}}) => {
    const builtin = builtinTypes().get(name)
    if (builtin !== undefined) return {...presentBuiltin(builtin), text: builtin.text}
    const own = await store.stageTypes.get(name)
    if (own === undefined) throw missing(name)
    return {...presentOwn(own), text: own.text}
  },
  setType: async ({params: {type: name}, body: {text}}, {actor, now}) => {
    if (builtinTypes().has(name))
      throw new GilliamError(
        'conflict',
        `“${name}” is built in, and means the same on every stage; give yours another name, or put it into the project’s types/.`,
      )
    parsed(name, text)
    const own = {name, text, sha256: digestOf(text), updatedAt: now}
    const {outcome} = await store.by(actor).stageTypes.set(own)
    if (outcome === 'full') throw new GilliamError('limit_reached', `A stage has at most ${stageTypesMax} types of its own.`)
    return {...presentOwn(own), text}
  },
  deleteType: async ({params: {type: name}}, {actor}) => {
    const {outcome} = await store.by(actor).stageTypes.delete(name)
    if (outcome === 'missing') throw missing(name)
    return undefined
  },
})

/** Reads types only when some service needs one. Throws invalid_request with every fault. */
export const resolveTypes = async (services: Services, load: () => Promise<Types>): Promise<Services> => {
  if (!Object.values(services).some(needsType)) return services
  const types = await load()
  const errors: FieldError[] = []
  const resolve = ([name, definition]: [string, ServiceDefinition]): [string, ServiceDefinition] => {
    if (!needsType(definition)) return [name, definition]
    const found = types.get(definition.type ?? '')
    if (found === undefined) {
      errors.push({
        path: `services.${name}.type`,
        message: `there is no type “${definition.type}”; this stage knows ${[...types.keys()].join(', ')}`,
      })
      return [name, definition]
    }
    const resolved = applyType(name, definition, found)
    if (resolved.ok) return [name, resolved.definition]
    errors.push(...resolved.faults.map(({path, message}) => ({path: `services.${name}.${path.join('.')}`, message})))
    return [name, definition]
  }
  const all = Object.fromEntries(Object.entries(services).map(resolve))
  const [first] = errors
  if (first !== undefined) throw new GilliamError('invalid_request', `${first.path}: ${first.message}`, errors)
  return all
}
