// Types of auxiliaries, for callers that only name one: the release says how it is run, so that executors know no types and a release never changes.
import type {ServiceDefinition} from '#shared/domain/release.ts'
import {type FieldError, GilliamError} from '#shared/errors.ts'
import type {Types} from '#shared/types/builtin.ts'
import {applyType, needsType} from '#shared/types/resolve.ts'

type Services = Readonly<Record<string, ServiceDefinition>>

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
