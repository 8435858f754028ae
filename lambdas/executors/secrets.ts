// Values in place of references, in what an executor gets and nowhere else. One that is not there, or that we are not given, fails the instances that were to
// start with it; what runs goes on.
import type {Store} from '#lambdas/store/index.ts'
import type {Assignment} from '#shared/domain/assignment.ts'
import {parseReference, type SecretReference} from '#shared/domain/secret.ts'
import type {Logger} from '#shared/log.ts'
import type {Denied, OutsideSecrets, SecretBox} from '#shared/ports.ts'
import type {JoinedAssignment} from './assignments.ts'
import {injected, partsOf} from './injections.ts'

export interface SecretSources {
  readonly stage: string
  /** Opens the platform's own; without it there are none. */
  readonly box?: SecretBox
  /** Reads those of AWS; without it there are none. */
  readonly outside?: OutsideSecrets
}

interface ResolveDeps {
  readonly store: Pick<Store, 'secrets' | 'instances'>
  readonly sources: SecretSources
  readonly log: Logger
  readonly now: number
}

type Found = {readonly value: string} | {readonly missing: string}

const nameOf = ({store, name, field}: SecretReference): string => `${store}://${name}${field === undefined ? '' : `#${field}`}`

const fieldOf = (text: string, field: string): string | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, field)) return undefined
    const found = (value as Record<string, unknown>)[field]
    return typeof found === 'string' ? found : JSON.stringify(found)
  } catch {
    return undefined
  }
}

const read = async ({store, sources}: ResolveDeps, formation: string, reference: SecretReference): Promise<string | Denied | undefined> => {
  const {stage, box, outside} = sources
  if (reference.store !== 'secret') {
    const text = await outside?.read(reference.store, formation, reference.name)
    return typeof text !== 'string' || reference.field === undefined ? text : fieldOf(text, reference.field)
  }
  const sealed = await store.secrets.sealed(formation, reference.name)
  return sealed === undefined ? undefined : box?.open(sealed, {stage, formation, secret: reference.name})
}

const foundOf = (reference: SecretReference, told: string | Denied | undefined): Found => {
  if (typeof told === 'string') return {value: told}
  return {missing: `${nameOf(reference)} ${told === undefined ? 'is not set' : told.denied}`}
}

/** Each reference is read once per sync. */
const createLookUp = (deps: ResolveDeps) => {
  const known = new Map<string, Promise<Found>>()
  return (formation: string, reference: SecretReference): Promise<Found> => {
    const key = `${formation} ${nameOf(reference)}`
    const found = known.get(key) ?? read(deps, formation, reference).then(told => foundOf(reference, told))
    known.set(key, found)
    return found
  }
}

const fail = async (
  {store, log, now}: ResolveDeps,
  executor: string,
  {formation, service, id}: Assignment,
  reason: string,
): Promise<boolean> => {
  const instance = await store.instances.get(formation, id)
  log.warn({formation, instance: `${service}.${id}`, reason}, 'a secret is missing')
  if (instance?.state !== 'assigned') return false
  const report = {formation, service, id, state: 'failed', announced: false, restarts: 0, reason} as const
  return (await store.instances.report(executor, report, now)).outcome === 'ok'
}

/** Values by variable, which of them are secrets, and what is missing. */
const valuesOf = async (
  formation: string,
  env: Readonly<Record<string, string>>,
  lookUp: ReturnType<typeof createLookUp>,
): Promise<{readonly values: Record<string, string>; readonly secret: readonly string[]; readonly missing: readonly string[]}> => {
  const values: Record<string, string> = {}
  const secret: string[] = []
  const missing: string[] = []
  for (const [variable, value] of Object.entries(env)) {
    const reference = parseReference(value)
    const found =
      reference === undefined
        ? {value}
        : reference === 'malformed'
          ? {missing: `${variable} is malformed`}
          : await lookUp(formation, reference)
    if ('missing' in found) missing.push(found.missing)
    else {
      values[variable] = found.value
      if (reference !== undefined) secret.push(variable)
    }
  }
  return {values, secret, missing}
}

const resolveOne = async (
  deps: ResolveDeps,
  executor: string,
  {injections, ...assignment}: JoinedAssignment,
  lookUp: ReturnType<typeof createLookUp>,
): Promise<Assignment | undefined> => {
  const own = await valuesOf(assignment.formation, assignment.env, lookUp)
  const env: Record<string, string> = {}
  const secretEnv = [...own.secret]
  const missing = [...own.missing]
  for (const [variable, injection] of Object.entries(injections)) {
    if (Object.hasOwn(assignment.env, variable)) continue
    const parts = Object.fromEntries(partsOf(injection).map(name => [name, injection.env[name] ?? '']))
    const found = await valuesOf(assignment.formation, parts, lookUp)
    missing.push(...found.missing)
    env[variable] = injected(injection, found.values)
    if (found.secret.length > 0) secretEnv.push(variable)
  }
  if (missing.length > 0 && !assignment.stop && (await fail(deps, executor, assignment, missing.join(', ')))) return undefined
  return {...assignment, env: {...env, ...own.values}, ...(secretEnv.length > 0 && {secretEnv})}
}

/**
 * The assignments with values. Throws GilliamError unavailable when a value can not be told now: the agent keeps what it has and asks again. What is to stop
 * needs no values and gets none.
 */
export const resolveSecrets = async (
  deps: ResolveDeps,
  executor: string,
  assignments: readonly JoinedAssignment[],
): Promise<Assignment[]> => {
  const lookUp = createLookUp(deps)
  const resolved: Assignment[] = []
  for (const assignment of assignments) {
    const one = await resolveOne(deps, executor, assignment, lookUp)
    if (one !== undefined) resolved.push(one)
  }
  return resolved
}
