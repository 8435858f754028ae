// One service of a manifest as the release's definition of it: defaults filled in, and rules that concern several keys at once.
import {auxiliaryPorts, isAuxiliaryType} from '#shared/domain/auxiliary.ts'
import {closest} from '#shared/domain/closest.ts'
import {healthDefault, resourcesDefault, type ServiceDefinition, type ServiceKind, stopGraceMsDefault} from '#shared/domain/release.ts'
import type {auxiliaryKeys, healthKeys} from './keys.ts'
import type {FieldValues} from './reading.ts'

export type ServiceValues = FieldValues<typeof auxiliaryKeys>

/** Says what is wrong; `key` is where, the service itself without one. */
export type Complain = (key: string | undefined, message: string) => void

const checkSource = (kind: ServiceKind, values: ServiceValues, complain: Complain): void => {
  const {type, script, image, build} = values
  if (script !== undefined && image !== undefined) complain('image', 'has both `script` and `image`; keep one')
  if (build !== undefined && script === undefined) complain('build', 'has `build` but no `script`; only projects that are packed are built')
  if (script !== undefined || image !== undefined) return
  if (kind === 'process') complain(undefined, 'needs `script` (a command) or `image` (a container image)')
  else checkType(type, complain)
}

const checkType = (type: string | undefined, complain: Complain): void => {
  const types = Object.keys(auxiliaryPorts)
  if (type === undefined) complain(undefined, `needs \`type\` (${types.join(', ')}), \`script\` or \`image\``)
  if (type === undefined || isAuxiliaryType(type)) return
  const near = closest(type, types)
  const known = near === undefined ? `known are ${types.join(', ')}` : `did you mean “${near}”?`
  complain('type', `has the unknown type “${type}”; ${known} (or say how it runs with \`script\` or \`image\`)`)
}

const portsOf = ({ports, type, script, image}: ServiceValues): ServiceDefinition['ports'] => {
  if (ports !== undefined) return ports
  return type !== undefined && isAuxiliaryType(type) && script === undefined && image === undefined ? [{port: auxiliaryPorts[type]}] : []
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

/** The definition of a service; what does not fit together goes to `complain`. */
export const serviceOf = (kind: ServiceKind, values: ServiceValues, complain: Complain): ServiceDefinition => {
  checkSource(kind, values, complain)
  const ports = portsOf(values)
  checkPorts(ports, complain)
  const {type, script, image, rank, health} = values
  return {
    kind,
    ...(type === undefined ? {} : {type}),
    ...(script === undefined ? {} : {script}),
    ...(image === undefined ? {} : {image}),
    ports,
    env: values.env ?? {},
    scale: values.scale ?? 1,
    ...(health === undefined ? {} : {health: healthOf(health, ports, complain)}),
    resources: {
      cpuMilli: values.resources?.cpu ?? resourcesDefault.cpuMilli,
      memoryMib: values.resources?.memory ?? resourcesDefault.memoryMib,
    },
    requirements: values.requirements ?? [],
    ...(rank === undefined ? {} : {rank}),
    requires: values.requires ?? [],
    ...(values.on_lost === undefined ? {} : {onLost: values.on_lost}),
    stopGraceMs: values.stop_grace ?? stopGraceMsDefault,
  }
}
