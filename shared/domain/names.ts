// The names users give to things, and the addresses made of them. Owns which names are allowed; knows nothing of where they are stored.

/** Longest formation, service, executor or instance name, in characters: a DNS label (RFC 1035 §2.3.4) less room for our suffixes. */
export const nameCharactersMax = 40

const label = /^[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?$/

/** A formation or executor name: a lower-case DNS label of at most {@link nameCharactersMax} characters that starts with a letter. */
export const isName = (text: string): boolean => label.test(text)

/** A service name: as {@link isName}, and may start with one underscore (auxiliary services by convention: `_cache`). */
export const isServiceName = (text: string): boolean => label.test(text.startsWith('_') ? text.slice(1) : text)

/** An instance id: 1–40 lower-case letters, digits and dashes. Ours are ten random characters; announcers outside the platform choose theirs. */
export const isInstanceId = (text: string): boolean => /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/.test(text)

/** Environment variables that the platform sets and a release can not: `PORT`, `PORT_<port>`, `GILLIAM_…`. */
export const isReservedVariable = (name: string): boolean => /^(?:PORT|PORT_[0-9]+|GILLIAM_.*)$/.test(name)

/** `<service>.<id>`: what `ps` shows and the registry is keyed by. */
export const instanceName = (service: string, id: string): string => `${service}.${id}`

/** Splits `<service>.<id>`; undefined when it is not of that form. */
export const parseInstanceName = (text: string): {service: string; id: string} | undefined => {
  const dot = text.indexOf('.')
  if (dot < 0) return undefined
  const service = text.slice(0, dot)
  const id = text.slice(dot + 1)
  return isServiceName(service) && isInstanceId(id) ? {service, id} : undefined
}

/** What an address ending in `.service` names: all instances of a service, or exactly one. */
export interface ServiceAddress {
  readonly formation: string
  readonly service: string
  readonly instance?: string
}

/** Parses `<service>.<formation>.service` or `<id>.<service>.<formation>.service` (no port; case-insensitive, RFC 4343); undefined otherwise. */
export const parseServiceAddress = (host: string): ServiceAddress | undefined => {
  const parts = host.toLowerCase().split('.')
  if (parts.pop() !== 'service' || parts.length < 2 || parts.length > 3) return undefined
  const formation = parts.pop() as string
  const service = parts.pop() as string
  const instance = parts.pop()
  if (!isName(formation) || !isServiceName(service)) return undefined
  if (instance === undefined) return {formation, service}
  return isInstanceId(instance) ? {formation, service, instance} : undefined
}

/** The inverse of {@link parseServiceAddress}. */
export const serviceHost = ({formation, service, instance}: ServiceAddress): string =>
  `${instance === undefined ? '' : `${instance}.`}${service}.${formation}.service`

/** The address with its port, as a Host header says it: 80 is left out. */
export const serviceAuthority = (address: ServiceAddress, port: number | undefined): string =>
  port === undefined || port === 80 ? serviceHost(address) : `${serviceHost(address)}:${port}`
