// References to secrets in an environment: `secret://db-password` instead of the value. Owns their form, and which services of a release use which. Pure.
import {isName} from './names.ts'
import type {Release, ServiceDefinition} from './release.ts'

/**
 * Where a value is kept: `secret` by the platform, `ssm` in a parameter and `secretsmanager` in a secret of AWS. Names are the formation's own: two
 * formations never mean the same by one name.
 */
export interface SecretReference {
  readonly store: 'secret' | 'ssm' | 'secretsmanager'
  readonly name: string
  /** A field of the JSON that a secret of Secrets Manager holds. */
  readonly field?: string
}

const outsideName = /^[A-Za-z0-9_.-]{1,128}(?:\/[A-Za-z0-9_.-]{1,128}){0,5}$/
const isDotted = (name: string): boolean => name.split('/').some(part => part === '.' || part === '..')

/** The reference that a whole value is; undefined for any other text; `malformed` when it begins as one. */
export const parseReference = (value: string): SecretReference | 'malformed' | undefined => {
  const [, store, rest = ''] = /^(secret|ssm|secretsmanager):\/\/(.*)$/s.exec(value) ?? []
  if (store === undefined) return undefined
  if (store === 'secret') return isName(rest) ? {store, name: rest} : 'malformed'
  const [, name = '', field] = /^([^#]*)(?:#([A-Za-z0-9_.-]{1,128}))?$/.exec(rest) ?? []
  if (!outsideName.test(name) || isDotted(name)) return 'malformed'
  if (store === 'ssm') return field === undefined ? {store, name} : 'malformed'
  return {store: 'secretsmanager', name, ...(field !== undefined && {field})}
}

/** A variable whose value is kept elsewhere. */
export interface Use {
  /** `env.DB_PASSWORD`, `services.web.env.DB_PASSWORD`. */
  readonly path: string
  /** Absent when all services get it. */
  readonly service?: string
  readonly reference: SecretReference | 'malformed'
}

const usesIn = (env: Readonly<Record<string, string>>, path: string, service?: string): Use[] =>
  Object.entries(env).flatMap(([variable, value]) => {
    const reference = parseReference(value)
    return reference === undefined ? [] : [{path: `${path}.${variable}`, reference, ...(service !== undefined && {service})}]
  })

/** Every reference of a release. */
export const usesOf = ({env, services}: Pick<Release, 'env' | 'services'>): Use[] => [
  ...usesIn(env, 'env'),
  ...Object.entries(services).flatMap(([name, service]) => usesIn(service.env, `services.${name}.env`, name)),
]

/** Services of a release that get a secret of the platform, themselves or in what another one tells them. */
export const servicesUsing = (release: Pick<Release, 'env' | 'services'>, secret: string): string[] => {
  const uses = usesOf(release).filter(
    ({reference}) => reference !== 'malformed' && reference.store === 'secret' && reference.name === secret,
  )
  if (uses.some(({service}) => service === undefined)) return Object.keys(release.services)
  const own = new Set(uses.flatMap(({service}) => service ?? []))
  const told = Object.entries(release.services).filter(([, {requires}]) =>
    requires.some(one => own.has(one) && tells(release.services[one], uses)),
  )
  return [...new Set([...own, ...told.map(([name]) => name)])]
}

/** Whether what the service injects into others holds the value of one of these variables. */
const tells = (service: ServiceDefinition | undefined, uses: readonly Use[]): boolean =>
  Object.values(service?.injects ?? {}).some(template => uses.some(({path}) => template.includes(`{${path.split('.').at(-1)}}`)))
