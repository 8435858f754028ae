// A service that names a type → the whole definition of it, as a release keeps it: executors know no types. Values of parameters stay data: environment
// variables, and whole arguments of an image; never a part of a command. Pure.
import {type AuxiliaryType, prefixOf, type TypeOrigin} from '../domain/auxiliary.ts'
import {closest} from '../domain/closest.ts'
import type {ServiceDefinition} from '../domain/release.ts'
import {parseReference} from '../domain/secret.ts'
import {compilePattern} from '../patterns.ts'

export interface TypeFault {
  /** Of the service: `['parameters', 'memory']`. */
  readonly path: readonly string[]
  readonly message: string
}

export type Resolved =
  | {readonly ok: true; readonly definition: ServiceDefinition}
  | {readonly ok: false; readonly faults: readonly TypeFault[]}

/** Whether only its type says how it is run. */
export const needsType = ({kind, type, script, image}: Pick<ServiceDefinition, 'kind' | 'type' | 'script' | 'image'>): boolean =>
  kind === 'auxiliary' && type !== undefined && script === undefined && image === undefined

const isReference = (value: string): boolean => parseReference(value) !== undefined

const parameterFaults = (type: AuxiliaryType, given: Readonly<Record<string, string>>): TypeFault[] => {
  const names = Object.keys(type.parameters)
  const unknown = Object.keys(given).filter(name => !Object.hasOwn(type.parameters, name))
  const faults: TypeFault[] = unknown.map(name => {
    const near = closest(name, names)
    const known = names.length === 0 ? 'it has none' : near === undefined ? `it has ${names.join(', ')}` : `did you mean “${near}”?`
    return {path: ['parameters', name], message: `type ${type.type} has no parameter “${name}”; ${known}`}
  })
  for (const [name, {default: standard, pattern, about}] of Object.entries(type.parameters)) {
    const value = Object.hasOwn(given, name) ? given[name] : standard
    if (value === undefined) faults.push({path: ['parameters'], message: `type ${type.type} needs the parameter “${name}” (${about})`})
    else if (isReference(value)) {
      if (type.args?.some(arg => arg.includes(`{${name}}`)) === true)
        faults.push({
          path: ['parameters', name],
          message: `“${name}” is an argument of the image, where others can read it: no place for a secret`,
        })
    } else {
      const compiled = compilePattern(pattern)
      if (!compiled.ok || compiled.pattern.match(value) === undefined)
        faults.push({path: ['parameters', name], message: `“${name}” (${about}) must match ${pattern}`})
    }
  }
  return faults
}

/** Every `{name}` replaced by what `of` says; what it does not know stays. Replaced text is not looked at again. */
export const filled = (template: string, of: (name: string) => string | undefined): string =>
  template.replaceAll(/\{([A-Za-z_][A-Za-z0-9_-]*)\}/g, (whole, name: string) => of(name) ?? whole)

/** The type’s variables for those who require `service`. Parameters become `{VARIABLE}`: the value of the instance’s own environment. */
const injectsOf = (service: string, {injects, parameters}: AuxiliaryType): Record<string, string> =>
  Object.fromEntries(
    Object.entries(injects).map(([end, template]) => {
      const text = filled(template, name => (Object.hasOwn(parameters, name) ? `{${parameters[name]?.variable}}` : undefined))
      return [`${prefixOf(service)}_${end}`, text]
    }),
  )

/**
 * The definition with everything its type says. What the service says itself wins: ports, health, environment. `volume: false` goes without one where the
 * type has one unasked, `true` takes one where it has none unasked.
 */
export const applyType = (
  service: string,
  definition: ServiceDefinition,
  {type, origin, volume}: {readonly type: AuxiliaryType; readonly origin: TypeOrigin; readonly volume?: boolean},
): Resolved => {
  const given = definition.parameters ?? {}
  const faults = parameterFaults(type, given)
  if (volume === true && type.volume === undefined) faults.push({path: ['volume'], message: `type ${type.type} keeps nothing in a volume`})
  if (definition.backupSchedule !== undefined && type.backup === undefined)
    faults.push({path: ['backup'], message: `type ${type.type} does not say how it is backed up`})
  if (faults.length > 0) return {ok: false, faults}
  const chosen = (name: string): string | undefined => (Object.hasOwn(given, name) ? given[name] : type.parameters[name]?.default)
  const variables = Object.entries(type.parameters).map(([name, {variable}]) => [variable, chosen(name) ?? ''] as const)
  const place = definition.volume ?? (type.volume !== undefined && (volume ?? type.volume.unasked) ? {path: type.volume.path} : undefined)
  const health = definition.health ?? type.health
  const injects = injectsOf(service, type)
  const resolved: ServiceDefinition = {
    ...definition,
    ...(type.image === undefined ? {} : {image: type.image}),
    ...(type.args === undefined ? {} : {args: type.args.map(arg => filled(arg, chosen))}),
    ...(type.script === undefined ? {} : {script: type.script}),
    ...(type.program === undefined ? {} : {program: type.program}),
    ...(place === undefined ? {} : {volume: place}),
    ...(health === undefined ? {} : {health}),
    ...(type.backup === undefined ? {} : {backup: type.backup}),
    ...(Object.keys(injects).length === 0 ? {} : {injects}),
    ports: definition.ports.length > 0 ? definition.ports : type.ports,
    env: {...Object.fromEntries(variables), ...definition.env},
    origin,
    bare: true,
  }
  return {ok: true, definition: resolved}
}
