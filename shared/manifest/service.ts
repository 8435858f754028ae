// One service of a manifest as the release's definition of it: defaults filled in, and rules that concern several keys at once.
import {backupEveryMsMax, backupEveryMsMin, backupsKeptDefault, backupsKeptMax} from '#shared/domain/backup.ts'
import {closest} from '#shared/domain/closest.ts'
import {healthDefault, resourcesDefault, type ServiceDefinition, type ServiceKind, stopGraceMsDefault} from '#shared/domain/release.ts'
import type {Types} from '../types/builtin.ts'
import {applyType, needsType} from '../types/resolve.ts'
import type {auxiliaryKeys, healthKeys} from './keys.ts'
import type {FieldValues} from './reading.ts'
import {runOptionsOf} from './run-options.ts'

export type ServiceValues = FieldValues<typeof auxiliaryKeys>

/** Says what is wrong; `key` is where, the service itself without one. */
export type Complain = (key: string | undefined, message: string) => void

/** Whether `build` names a file that an image is built from, rather than a command. */
export const isDockerfile = (build: string): boolean =>
  /^(?:[\w.-]+\/)*(?:(?:Dockerfile|Containerfile)(?:\.[\w-]+)?|[\w-]+\.(?:D|d)ockerfile)$/.test(build)

const checkImageBuild = ({script, image}: ServiceValues, complain: Complain): void => {
  if (script !== undefined) complain('script', 'has a `script`, and `build` names a Dockerfile, which says what is run; keep one')
  if (image !== undefined && /@|:[^/]*$/.test(image))
    complain('image', `is where the built image is pushed: a repository without tag and digest, not “${image}”`)
}

const checkSource = (kind: ServiceKind, values: ServiceValues, types: Types, complain: Complain): void => {
  const {type, script, image, build} = values
  if (build !== undefined && isDockerfile(build)) {
    checkImageBuild(values, complain)
    return
  }
  if (script !== undefined && image !== undefined) complain('image', 'has both `script` and `image`; keep one')
  if (build !== undefined && script === undefined) complain('build', 'has `build` but no `script`; only projects that are packed are built')
  if (script !== undefined || image !== undefined) {
    if (values.parameters !== undefined) complain('parameters', 'are its type’s, which is a mere label beside `script` or `image`')
    if (values.volume === true) complain('volume', 'needs a `path` here (`{path: /data}`): `true` takes that of a type')
    return
  }
  if (kind === 'process') complain(undefined, 'needs `script` (a command) or `image` (a container image)')
  else checkType(type, types, complain)
}

const checkType = (type: string | undefined, types: Types, complain: Complain): void => {
  const names = [...types.keys()]
  if (type === undefined) complain(undefined, `needs \`type\` (${names.join(', ')}), \`script\` or \`image\``)
  if (type === undefined || types.has(type)) return
  const near = closest(type, names)
  const known = near === undefined ? `known are ${names.join(', ')}` : `did you mean “${near}”?`
  complain('type', `has the unknown type “${type}”; ${known} (or say how it runs with \`script\` or \`image\`)`)
}

const checkPorts = (ports: ServiceDefinition['ports'], complain: Complain): void => {
  const repeated = ports.find(({port}, index) => ports.findIndex(other => other.port === port) < index)
  if (repeated !== undefined) complain('ports', `names port ${repeated.port} twice; keep one`)
}

const healthOf = (
  health: FieldValues<typeof healthKeys>,
  ports: ServiceDefinition['ports'],
  complain: Complain,
): ServiceDefinition['health'] => {
  const {http, tcp, port} = health
  if (ports.length === 0) complain('health', 'has a health check but no `ports` to check')
  else if (port !== undefined && !ports.some(other => other.port === port))
    complain('health', `checks port ${port}, which is not one of its ports (${ports.map(other => other.port).join(', ')})`)
  if (http !== undefined && tcp === true) complain('health', 'has both `http` and `tcp`; keep one')
  return {
    ...(http === undefined ? {} : {http}),
    ...(tcp === undefined ? {} : {tcp}),
    ...(port === undefined ? {} : {port}),
    intervalMs: health.interval ?? healthDefault.intervalMs,
    timeoutMs: health.timeout ?? healthDefault.timeoutMs,
    startTimeoutMs: health.start_timeout ?? healthDefault.startTimeoutMs,
  }
}

const volumeOf = ({volume}: ServiceValues, complain: Complain): ServiceDefinition['volume'] => {
  if (typeof volume !== 'object') return undefined
  if (volume.path === undefined) complain('volume', 'needs a `path`')
  return {path: volume.path ?? '/'}
}

const backupScheduleOf = ({backup, type}: ServiceValues, complain: Complain): ServiceDefinition['backupSchedule'] => {
  if (backup === undefined) return undefined
  const {every, keep = backupsKeptDefault} = backup
  if (type === undefined) complain('backup', 'needs a `type` that says how it is backed up')
  if (every === undefined) complain('backup', 'needs `every`: the time between backups (`24h`)')
  else if (every < backupEveryMsMin || every > backupEveryMsMax) complain('backup', 'has an `every` outside 15m-30d')
  if (keep < 1 || keep > backupsKeptMax) complain('backup', `has a \`keep\` outside 1-${backupsKeptMax}`)
  return {everyMs: every ?? backupEveryMsMax, keep}
}

const withType = (
  name: string,
  definition: ServiceDefinition,
  values: ServiceValues,
  types: Types,
  complain: Complain,
): ServiceDefinition => {
  const found = needsType(definition) ? types.get(definition.type ?? '') : undefined
  if (found === undefined) return definition
  const volume = typeof values.volume === 'boolean' ? {volume: values.volume} : {}
  const resolved = applyType(name, definition, {...found, ...volume})
  if (resolved.ok) return resolved.definition
  for (const {path, message} of resolved.faults) complain(path[0], message)
  return definition
}

/** The definition of a service, its type applied; what does not fit together goes to `complain`. */
export const serviceOf = (
  {kind, name, types}: {readonly kind: ServiceKind; readonly name: string; readonly types: Types},
  values: ServiceValues,
  complain: Complain,
): ServiceDefinition => {
  checkSource(kind, values, types, complain)
  const ports = values.ports ?? []
  checkPorts(ports, complain)
  const {type, script, image, rank, health, parameters} = values
  const volume = volumeOf(values, complain)
  const backupSchedule = backupScheduleOf(values, complain)
  const typePorts = type === undefined || script !== undefined || image !== undefined ? [] : (types.get(type)?.type.ports ?? [])
  const definition: ServiceDefinition = {
    kind,
    ...(type === undefined ? {} : {type}),
    ...(script === undefined ? {} : {script}),
    ...(image === undefined ? {} : {image}),
    ...(parameters === undefined ? {} : {parameters}),
    ...(volume === undefined ? {} : {volume}),
    ...(backupSchedule === undefined ? {} : {backupSchedule}),
    ports,
    env: values.env ?? {},
    scale: values.scale ?? 1,
    ...(health === undefined ? {} : {health: healthOf(health, ports.length > 0 ? ports : typePorts, complain)}),
    resources: {
      cpuMilli: values.resources?.cpu ?? resourcesDefault.cpuMilli,
      memoryMib: values.resources?.memory ?? resourcesDefault.memoryMib,
    },
    requirements: values.requirements ?? [],
    ...(rank === undefined ? {} : {rank}),
    requires: values.requires ?? [],
    ...(values.on_lost === undefined ? {} : {onLost: values.on_lost}),
    ...runOptionsOf(values, values.build !== undefined && isDockerfile(values.build), complain),
    stopGraceMs: values.stop_grace ?? stopGraceMsDefault,
  }
  const whole = withType(name, definition, values, types, complain)
  if (backupSchedule !== undefined && type !== undefined && !needsType(definition))
    complain('backup', 'are its type’s, which is a mere label beside `script` or `image`')
  if (whole.volume !== undefined && whole.scale > 1) complain('scale', 'must be at most 1: its volume is of one instance at a time')
  return whole
}
