// What an instance is told of the services it requires, as variables. Owns how a template becomes a value; secrets among the parts are put in by secrets.ts.
import type {InstanceAddress} from '#shared/domain/instance.ts'
import type {Release} from '#shared/domain/release.ts'
import {filled} from '#shared/types/resolve.ts'

/** A variable whose value has parts of another service's environment, by their names there. */
export interface Injection {
  readonly template: string
  readonly address: {readonly host: string; readonly port?: number}
  readonly env: Readonly<Record<string, string>>
}

const addressOf = ({host, ports}: InstanceAddress, first: number | undefined): Injection['address'] => {
  const port = first === undefined ? undefined : ports[String(first)]
  return {host, ...(port !== undefined && {port})}
}

/** By variable: everything that the services required by `service` inject, at the addresses it was given. */
export const injectionsOf = (
  release: Release,
  given: Readonly<Record<string, InstanceAddress>> = {},
): Readonly<Record<string, Injection>> => {
  const entries = Object.entries(given).flatMap(([required, at]) => {
    const definition = Object.hasOwn(release.services, required) ? release.services[required] : undefined
    if (definition === undefined) return []
    const env = {...release.env, ...definition.env}
    const address = addressOf(at, definition.ports[0]?.port)
    return Object.entries(definition.injects ?? {}).map(([variable, template]) => [variable, {template, address, env}] as const)
  })
  return Object.fromEntries(entries)
}

/** Variables of the other service that a template needs. */
export const partsOf = ({template, env}: Injection): string[] => Object.keys(env).filter(name => template.includes(`{${name}}`))

/** The value, with `values` for the parts. In an address (`redis://…`) they are escaped, and an IPv6 host is in brackets (RFC 3986, 3.2.2). */
export const injected = ({template, address}: Injection, values: Readonly<Record<string, string>>): string => {
  const isUrl = template.includes('://')
  const host = template.includes('{host}:') && address.host.includes(':') ? `[${address.host}]` : address.host
  return filled(template, name => {
    if (name === 'host') return host
    if (name === 'port') return address.port === undefined ? undefined : String(address.port)
    const value = Object.hasOwn(values, name) ? values[name] : undefined
    // A field of a secret may hold half a character, which has no escape.
    return value !== undefined && isUrl ? encodeURIComponent(value.toWellFormed()) : value
  })
}
