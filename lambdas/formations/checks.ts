// What must hold of a release beyond its schema: expressions that compile, services and ports that exist. Pure; returns every fault.

import type {PlacementRules, PortDefinition, ServiceDefinition} from '#shared/domain/release.ts'
import {cycleIn, requiresOf} from '#shared/domain/requires.ts'
import {usesOf} from '#shared/domain/secret.ts'
import {type FieldError, GilliamError} from '#shared/errors.ts'
import {checkRank, checkRequirement, type ExpressionCheck} from '#shared/expressions.ts'

const fault = (path: string, checked: ExpressionCheck): FieldError[] => (checked.ok ? [] : [{path, message: checked.message}])

const expressionFaults = (rules: PlacementRules, path: string): FieldError[] => [
  ...rules.requirements.flatMap((text, index) => fault(`${path}requirements.${index}`, checkRequirement(text))),
  ...(rules.rank === undefined ? [] : fault(`${path}rank`, checkRank(rules.rank))),
]

/** Throws invalid_expression with the place in each text that does not compile. */
const throwExpressionFaults = (errors: readonly FieldError[]): void => {
  const [first] = errors
  if (first !== undefined) throw new GilliamError('invalid_expression', `${first.path}: ${first.message}`, errors)
}

/** Throws invalid_expression with the place in each requirement or rank that does not compile. */
export const checkExpressions = (rules: PlacementRules): void => throwExpressionFaults(expressionFaults(rules, ''))

const repeated = (numbers: readonly number[]): number | undefined => numbers.find((number, index) => numbers.indexOf(number) !== index)

const portFaults = (ports: readonly PortDefinition[], path: string): FieldError[] => {
  const port = repeated(ports.map(definition => definition.port))
  const hostPort = repeated(ports.flatMap(definition => definition.hostPort ?? []))
  return [
    ...(port === undefined ? [] : [{path, message: `port ${port} is there twice`}]),
    ...(hostPort === undefined ? [] : [{path, message: `host port ${hostPort} is there twice`}]),
  ]
}

const healthFaults = ({health, ports}: ServiceDefinition, path: string): FieldError[] => {
  if (health === undefined) return []
  if (health.http !== undefined && health.tcp === true) return [{path, message: 'http or tcp, not both'}]
  if (health.port !== undefined && !ports.some(({port}) => port === health.port))
    return [{path: `${path}.port`, message: `${health.port} is not one of the service’s ports`}]
  if ((health.http !== undefined || health.tcp === true) && ports.length === 0)
    return [{path, message: 'a service without ports can not be checked'}]
  return []
}

const oneOfVolume = 'at most 1: a volume is of one instance at a time'

/** Throws invalid_request for more than one instance of a service with a volume. */
export const checkVolumes = (
  services: Readonly<Record<string, ServiceDefinition>>,
  scale: Readonly<Record<string, number>>,
  path: string,
): void => {
  const errors = Object.entries(scale)
    .filter(([service, count]) => count > 1 && services[service]?.volume !== undefined)
    .map(([service]) => ({path: `${path}.${service}`, message: oneOfVolume}))
  const [first] = errors
  if (first !== undefined) throw new GilliamError('invalid_request', `${first.path}: ${first.message}`, errors)
}

const serviceFaults = (name: string, service: ServiceDefinition, names: ReadonlySet<string>): FieldError[] => {
  const path = `services.${name}`
  const runs = [service.script, service.image].filter(text => text !== undefined).length
  return [
    ...(runs > 1 && service.bare !== true ? [{path, message: 'script or image, not both'}] : []),
    ...(runs === 0 ? [{path, message: 'needs a script or an image'}] : []),
    ...service.requires
      .filter(required => !names.has(required) || required === name)
      .map(required => ({path: `${path}.requires`, message: `“${required}” is not another service of this release`})),
    ...(service.volume !== undefined && service.scale > 1 ? [{path: `${path}.scale`, message: oneOfVolume}] : []),
    ...(service.backupSchedule !== undefined && service.backup === undefined
      ? [{path: `${path}.backupSchedule`, message: 'takes a `backup`: nothing says how it is backed up'}]
      : []),
    ...portFaults(service.ports, `${path}.ports`),
    ...healthFaults(service, `${path}.health`),
  ]
}

const cycleFaults = (services: Readonly<Record<string, ServiceDefinition>>): FieldError[] => {
  const cycle = cycleIn(requiresOf(services))
  if (cycle === undefined || cycle.length <= 2) return []
  return [{path: `services.${cycle[0]}.requires`, message: `goes in a circle: ${cycle.join(' → ')}; none could start first`}]
}

/** Throws invalid_expression or invalid_request with every fault of the services. */
export const checkRelease = (services: Readonly<Record<string, ServiceDefinition>>): void => {
  const entries = Object.entries(services)
  throwExpressionFaults(entries.flatMap(([name, service]) => expressionFaults(service, `services.${name}.`)))
  const names = new Set(Object.keys(services))
  const errors = [...entries.flatMap(([name, service]) => serviceFaults(name, service, names)), ...cycleFaults(services)]
  const [first] = errors
  if (first !== undefined) throw new GilliamError('invalid_request', `${first.path}: ${first.message}`, errors)
}

const referenceForm = 'of the form secret://NAME, ssm://NAME or secretsmanager://NAME#FIELD'

/** Throws invalid_request for references that can not be read, and secret_missing for secrets of the platform that are not set. */
export const checkReferences = (release: Parameters<typeof usesOf>[0], formation: string, known: readonly string[]): void => {
  const uses = usesOf(release)
  const malformed = uses.filter(({reference}) => reference === 'malformed').map(({path}) => ({path, message: referenceForm}))
  const [first] = malformed
  if (first !== undefined) throw new GilliamError('invalid_request', `${first.path}: a reference is ${first.message}`, malformed)
  for (const {path, reference} of uses)
    if (reference !== 'malformed' && reference.store === 'secret' && !known.includes(reference.name))
      throw new GilliamError(
        'secret_missing',
        `Secret “${reference.name}” of “${formation}” is not set (${path}); \`gilliam secret set ${reference.name}\` sets it.`,
      )
}

/** Throws invalid_request when a port or host port is there twice. */
export const checkPorts = (ports: readonly PortDefinition[]): void => {
  const [first] = portFaults(ports, 'ports')
  if (first !== undefined) throw new GilliamError('invalid_request', `${first.path}: ${first.message}`, [first])
}
