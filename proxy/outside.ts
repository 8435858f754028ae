// Hosts outside the platform: how the proxy reaches them, and the addresses it never reaches for anybody.
import {lookup as dnsLookup} from 'node:dns'
import {BlockList, isIP, type LookupFunction} from 'node:net'
import {Agent, buildConnector, type Dispatcher} from 'undici'
import {ForbiddenHostError} from './failures.ts'
import type {Limits} from './limits.ts'

/** Link-local addresses (RFC 3927, RFC 4291 §2.5.6) and the IPv6 metadata address of clouds: there live the credentials of the machine, not services. */
const createForbidden = (): BlockList => {
  const list = new BlockList()
  list.addSubnet('169.254.0.0', 16, 'ipv4')
  list.addSubnet('fe80::', 10, 'ipv6')
  list.addAddress('fd00:ec2::254', 'ipv6')
  return list
}

const bare = (host: string): string => host.replace(/^\[|\]$/g, '')

export interface Outside {
  readonly dispatcher: Dispatcher
  /** Refuses names that resolve to forbidden addresses. */
  readonly lookup: LookupFunction
  /** Throws {@link ForbiddenHostError} for a literal address that is forbidden. */
  readonly check: (host: string) => void
  readonly destroy: () => Promise<void>
}

/** The proxy's way to ordinary hosts. */
export const createOutside = (limits: Limits): Outside => {
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
  const check = (host: string): void => {
    if (isIP(bare(host)) !== 0 && isForbidden(bare(host))) throw refusal()
  }
  // undici reads `0x7f000001` as an address, so what is connected to is checked once more where it is known.
  const connector = buildConnector({timeout: limits.connectTimeoutMs, lookup, allowH2: false})
  const dispatcher = new Agent({
    connections: limits.connectionsPerInstanceMax,
    pipelining: 1,
    allowH2: false,
    connect: (options, callback) => {
      if (isIP(bare(options.hostname)) !== 0 && isForbidden(bare(options.hostname))) callback(refusal(), null)
      else connector(options, callback)
    },
    maxHeaderSize: limits.headBytesMax,
    keepAliveTimeout: limits.upstreamKeepAliveMs,
    keepAliveMaxTimeout: limits.upstreamKeepAliveMs,
  })
  return {dispatcher, lookup, check, destroy: () => dispatcher.destroy()}
}
