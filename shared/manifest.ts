// gilliam.yml → what is deployed: a release's services and environment, build commands and routes. Every problem has its line and column.
// Owns the meaning of the whole; YAML, single values and single services are in manifest/.
import type {z} from 'zod'
import {CreateRelease} from './api.ts'
import {closest} from './domain/closest.ts'
import {isName, isServiceName} from './domain/names.ts'
import type {ServiceDefinition, ServiceKind} from './domain/release.ts'
import {cycleIn, requiresOf} from './domain/requires.ts'
import {checkRank, checkRequirement, type ExpressionCheck} from './expressions.ts'
import {freeKeyPrefix, manifestKeys} from './manifest/keys.ts'
import {collect, type FieldValues, readFields} from './manifest/reading.ts'
import type {ManifestRoute} from './manifest/routes.ts'
import {isDockerfile, type ServiceValues, serviceOf} from './manifest/service.ts'
import {type MapValue, type Place, type Problem, readSource, type Value} from './manifest/source.ts'

import {builtinTypes, type Types} from './types/builtin.ts'

export type {Problem} from './manifest/source.ts'

export interface Manifest {
  readonly formation?: string
  readonly env: Readonly<Record<string, string>>
  readonly services: Readonly<Record<string, ServiceDefinition>>
  /** Build commands in the order of the manifest, each text once. */
  readonly builds: readonly string[]
  /** Images to build before the release is made, by service. */
  readonly images: Readonly<Record<string, ImageBuild>>
  readonly routes: readonly ManifestRoute[]
}

export interface ImageBuild {
  /** In the project's folder. */
  readonly dockerfile: string
  /** Where the image is pushed; without one, it goes to the artifact store. */
  readonly repository?: string
}

/** How a process is run that does not say it: told by the project's files, which a manifest can not see. */
export interface RunByDefault {
  readonly script: string
  readonly build?: string
}

export type ParsedManifest = {readonly ok: true; readonly manifest: Manifest} | {readonly ok: false; readonly problems: readonly Problem[]}

/** `gilliam.yml:7:5: message`, one line per problem; further lines of a message are indented. */
export const formatProblems = (file: string, problems: readonly Problem[]): string =>
  problems.map(({line, column, message}) => `${file}:${line}:${column}: ${message.replaceAll('\n', '\n    ')}`).join('\n')

type Report = (at: Place, message: string) => void
type Services = Readonly<Record<string, ServiceDefinition>>
type Sections = FieldValues<typeof manifestKeys>

/** The value at a path of keys and indices, or the nearest one above it; for maps entries, the place of the key. */
const placeOf = (root: Value, path: readonly PropertyKey[]): Place => {
  let at = root.at
  let value: Value | undefined = root
  for (const step of path) {
    if (value?.kind === 'map') {
      const entry: {at: Place; value: Value} | undefined = value.entries.get(String(step))
      if (entry === undefined) return at
      at = entry.value.kind === 'scalar' ? entry.value.at : entry.at
      value = entry.value
    } else if (value?.kind === 'list') {
      value = value.items[Number(step)]
      if (value !== undefined) at = value.at
    } else return at
  }
  return at
}

/** Release field → manifest key, where they differ. */
const keyOf: Readonly<Record<string, string>> = {
  stopGraceMs: 'stop_grace',
  intervalMs: 'interval',
  timeoutMs: 'timeout',
  startTimeoutMs: 'start_timeout',
  cpuMilli: 'cpu',
  memoryMib: 'memory',
}
const sectionOf = {process: 'processes', auxiliary: 'auxiliary'} as const satisfies Record<ServiceKind, string>

/** Milliseconds are not how manifests say durations. */
const limitOf = (issue: z.core.$ZodIssue): string => {
  if (issue.code === 'invalid_key') return `is not a good name: ${issue.issues[0]?.message ?? issue.message}`
  const unit = String(issue.path.at(-1)).endsWith('Ms') ? ' ms' : ''
  if (issue.code === 'too_big') return `must be at most ${issue.maximum}${unit}`
  return issue.code === 'too_small' ? `must be at least ${issue.minimum}${unit}` : issue.message.replace(/^Invalid string: /, '')
}

/** The API's own limits: what they refuse would be refused by the control plane. Whether they are kept. */
const checkLimits = (root: Value, env: Manifest['env'], services: Services, report: Report): boolean => {
  const issues = CreateRelease.safeParse({env, services}).error?.issues ?? []
  for (const issue of issues) {
    const [first, name, ...rest] = issue.path.map(step => keyOf[String(step)] ?? step)
    const service = first === 'services' && name !== undefined ? services[String(name)] : undefined
    const path = service === undefined ? [first, name] : [sectionOf[service.kind], name, ...rest]
    const label = service === undefined ? ['manifest', first, name] : [`${service.kind} “${String(name)}”`, rest.map(String).join('.')]
    const known = path.filter(step => step !== undefined)
    report(
      placeOf(root, known),
      `${label
        .filter(part => part !== undefined && part !== '')
        .map(String)
        .join(': ')} ${limitOf(issue)}`,
    )
  }
  return issues.length === 0
}

const checkExpressions = (root: Value, name: string, service: ServiceDefinition, report: Report): void => {
  const check = (found: ExpressionCheck, key: readonly PropertyKey[]) => {
    if (found.ok) return
    report(placeOf(root, [sectionOf[service.kind], name, ...key]), `${service.kind} “${name}”: ${String(key[0])}: ${found.message}`)
  }
  for (const [index, text] of service.requirements.entries()) check(checkRequirement(text), ['requirements', index])
  if (service.rank !== undefined) check(checkRank(service.rank), ['rank'])
}

const checkRequires = (root: Value, services: Services, report: Report): void => {
  for (const [name, service] of Object.entries(services)) {
    for (const [index, required] of service.requires.entries()) {
      if (Object.hasOwn(services, required)) continue
      const near = closest(required, Object.keys(services))
      const next = near === undefined ? `services are ${Object.keys(services).join(', ')}` : `did you mean “${near}”?`
      report(
        placeOf(root, [sectionOf[service.kind], name, 'requires', index]),
        `${service.kind} “${name}”: requires “${required}”, which this manifest does not define; ${next}`,
      )
    }
  }
}

const checkCycles = (root: Value, services: Services, report: Report): void => {
  const cycle = cycleIn(requiresOf(services))
  const [first] = cycle ?? []
  const service = first === undefined ? undefined : services[first]
  if (cycle === undefined || first === undefined || service === undefined) return
  const at = placeOf(root, [sectionOf[service.kind], first, 'requires', service.requires.indexOf(cycle[1] ?? '')])
  report(at, `${service.kind} “${first}”: requires goes in a circle: ${cycle.join(' → ')}; none could start first`)
}

const nameRule = 'a name has lower-case letters, digits and dashes, at most 40, and starts with a letter or one underscore'

/** The sections, with processes that do not say how they are run as the project's files tell. */
const completed = (sections: Sections, byDefault: RunByDefault | undefined): Sections => {
  if (byDefault === undefined || sections.processes === undefined) return sections
  const complete = (values: ServiceValues): ServiceValues => (saysHow(values) ? values : {...values, ...byDefault})
  const processes = Object.entries(sections.processes).map(([name, values]) => [name, complete(values)] as const)
  return {...sections, processes: Object.fromEntries(processes)}
}

const saysHow = ({script, image, build}: ServiceValues): boolean => script !== undefined || image !== undefined || build !== undefined

const servicesOf = (root: Value, sections: Sections, types: Types, report: Report): Record<string, ServiceDefinition> => {
  const services: Record<string, ServiceDefinition> = {}
  const add = (kind: ServiceKind, values: Readonly<Record<string, ServiceValues>> = {}) => {
    for (const [name, one] of Object.entries(values)) {
      const path = [sectionOf[kind], name]
      const label = `${kind} “${name}”`
      if (!isServiceName(name)) {
        report(placeOf(root, path), `${label}: ${nameRule}`)
        continue
      }
      if (Object.hasOwn(services, name)) report(placeOf(root, path), `${label}: a process has the same name; rename one`)
      const service = serviceOf({kind, name, types}, one, (key, message) =>
        report(placeOf(root, key === undefined ? path : [...path, key]), `${label}: ${message}`),
      )
      services[name] = service
    }
  }
  add('process', sections.processes)
  add('auxiliary', sections.auxiliary)
  return services
}

const allOf = ({processes, auxiliary}: Sections): (readonly [string, ServiceValues])[] => [
  ...Object.entries<ServiceValues>(processes ?? {}),
  ...Object.entries<ServiceValues>(auxiliary ?? {}),
]

const buildsOf = (sections: Sections): string[] => [
  ...new Set(allOf(sections).flatMap(([, {build}]) => (build === undefined || isDockerfile(build) ? [] : build))),
]

const imagesOf = (sections: Sections): Record<string, ImageBuild> =>
  Object.fromEntries(
    allOf(sections).flatMap(([name, {build, image}]) =>
      build === undefined || !isDockerfile(build)
        ? []
        : [[name, {dockerfile: build, ...(image === undefined ? {} : {repository: image})}] as const],
    ),
  )

const isEmpty = (root: Value): boolean =>
  root.kind === 'map' && ![...(root as MapValue).entries.keys()].some(key => key === 'processes' || key === 'auxiliary')

/** Whether some process of the manifest leaves it to the project's files how it is run. False for a text with problems: {@link parseManifest} tells them. */
export const leavesRunToProject = (text: string): boolean => {
  const source = readSource(text)
  if (!source.ok) return false
  const problems: Problem[] = []
  const sections = readFields(source.root, manifestKeys, collect(problems), 'manifest', freeKeyPrefix)
  return problems.length === 0 && Object.values(sections?.processes ?? {}).some(values => !saysHow(values))
}

/** Where a manifest says that types of its own are, and which types it names; nothing for a text with problems: {@link parseManifest} tells them. */
export const typesWanted = (text: string): {readonly sources?: readonly string[]; readonly names: readonly string[]} => {
  const source = readSource(text)
  if (!source.ok) return {names: []}
  const sections = readFields(source.root, manifestKeys, collect([]), 'manifest', freeKeyPrefix)
  const names = Object.values(sections?.auxiliary ?? {}).flatMap(({type, script, image}) =>
    type === undefined || script !== undefined || image !== undefined || !isName(type) ? [] : [type],
  )
  return {...(sections?.types !== undefined && {sources: sections.types}), names}
}

/**
 * Reads a manifest. All problems are returned, in the order of the file; nothing is thrown for any text. Processes with none of `script`, `image` and
 * `build` are run as `byDefault` says; without it, they are problems. `types` are those that auxiliaries may have.
 */
export const parseManifest = (text: string, byDefault?: RunByDefault, types: Types = builtinTypes()): ParsedManifest => {
  const source = readSource(text)
  if (!source.ok) return source
  const problems: Problem[] = []
  const reading = collect(problems)
  const {root} = source
  const read = readFields(root, manifestKeys, reading, 'manifest', freeKeyPrefix)
  if (isEmpty(root)) reading.problem(root.at, 'manifest: defines no service; add one under `processes:`')
  if (read === undefined || problems.length > 0) return {ok: false, problems: sorted(problems)}
  const sections = completed(read, byDefault)
  const services = servicesOf(root, sections, types, reading.problem)
  checkRequires(root, services, reading.problem)
  checkCycles(root, services, reading.problem)
  if (checkLimits(root, sections.env ?? {}, services, reading.problem)) {
    for (const [name, service] of Object.entries(services)) checkExpressions(root, name, service, reading.problem)
  }
  if (problems.length > 0) return {ok: false, problems: sorted(problems)}
  const {formation, env, routes} = sections
  const manifest = {
    ...(formation === undefined ? {} : {formation}),
    env: env ?? {},
    services,
    builds: buildsOf(sections),
    images: imagesOf(sections),
    routes: routes ?? [],
  }
  return {ok: true, manifest}
}

const sorted = (problems: readonly Problem[]): Problem[] => problems.toSorted((a, b) => a.line - b.line || a.column - b.column)
