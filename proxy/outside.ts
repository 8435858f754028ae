// Hosts outside the platform: how the proxy reaches them, and the addresses it never reaches for anybody.
import {lookup as dnsLookup} from 'node:dns'
import {BlockList, isIP, type LookupFunction} from 'node:net'
import {ForbiddenHostError} from './failures.ts'
import {Pool} from './http/pool.ts'
import type {Place, Shared} from './http/upstream-connection.ts'

/** Link-local addresses (RFC 3927, RFC 4291 §2.5.6) and the IPv6 metadata address of clouds: there live the credentials of the machine, not services. */
const createForbidden = (): BlockList => {
  const list = new BlockList()
  list.addSubnet('169.254.0.0', 16, 'ipv4')
  list.addSubnet('fe80::', 10, 'ipv6')
  list.addAddress('fd00:ec2::254', 'ipv6')
  return list
}

const bare = (host: string): string => host.replace(/^\[|\]$/g, '')

/** A host and port as asked for; IPv6 addresses in brackets. */
interface HostPort {
  readonly host: string
  readonly port: number
}

export interface Outside {
  /** Where to connect to; names that resolve to forbidden addresses fail there. */
  readonly place: (wanted: HostPort) => Place
  /** Connections kept alive. */
  readonly pool: (wanted: HostPort) => Pool
  /** Why a literal address is not reached for anybody. */
  readonly refusal: (host: string) => ForbiddenHostError | undefined
  /** Forgets hosts that nobody talks to. */
  readonly sweep: () => void
  readonly destroy: () => void
}

/** The proxy's way to ordinary hosts. */
export const createOutside = (shared: Shared): Outside => {
  const forbidden = createForbidden()
  const isForbidden = (address: string): boolean => forbidden.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
  const refusal = (): ForbiddenHostError => new ForbiddenHostError('is a link-local address, which no proxy may reach')
  const lookup: LookupFunction = (hostname, options, callback) => {
    dnsLookup(hostname, {...options, all: true}, (error, addresses) => {
      if (error !== null) return callback(error, '', 0)
      const allowed = addresses.filter(({address}) => !isForbidden(address))
      const [first] = allowed
      if (first === undefined) return callback(refusal(), '', 0)
      if (options.all === true) return callback(null, allowed)
      return callback(null, first.address, first.family)
    })
  }
  const place = ({host, port}: HostPort): Place => ({host: bare(host), port, lookup})
  const pools = new Map<string, Pool>()
  const pool = (wanted: HostPort): Pool => {
    const key = `${wanted.host}:${wanted.port}`
    const known = pools.get(key) ?? new Pool(place(wanted), shared)
    pools.set(key, known)
    return known
  }
  return {
    place,
    pool,
    refusal: host => (isIP(bare(host)) !== 0 && isForbidden(bare(host)) ? refusal() : undefined),
    sweep: () => {
      for (const [key, one] of pools) if (one.isEmpty) pools.delete(key)
    },
    destroy: () => {
      for (const one of pools.values()) one.destroy()
      pools.clear()
    },
  }
}
