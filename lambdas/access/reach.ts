// Which addresses an issuer may have. Whoever may name issuers must not make the control plane talk to what only it can reach: the machine itself, what tells a
// machine its credentials, and on AWS anything private. Asked with the address that is connected to, so that no name stands for another address later.
import type {LookupAddress, LookupOptions} from 'node:dns'
import {lookup as dnsLookup} from 'node:dns'
import {BlockList, isIP} from 'node:net'

/** `public`: the internet. `private`: also networks like 10.0.0.0/8, where people run their own. `machine`: also this machine; for tests and trials. */
export type Reach = 'public' | 'private' | 'machine'

type Range = readonly [address: string, bits: number]

/** RFC 6890, RFC 4291; `fd00:ec2::/32` is what EC2 tells its machines at. */
const ofTheMachine: readonly Range[] = [
  ['127.0.0.0', 8],
  ['::1', 128],
]
const never: readonly Range[] = [
  ['0.0.0.0', 8],
  ['169.254.0.0', 16],
  ['192.0.0.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  ['::', 128],
  ['64:ff9b::', 32],
  ['2002::', 16],
  ['fd00:ec2::', 32],
  ['fe80::', 10],
  ['ff00::', 8],
]
const privates: readonly Range[] = [
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['fc00::', 7],
  ['fec0::', 10],
]

const listOf = (...ranges: readonly Range[]): BlockList => {
  const list = new BlockList()
  for (const [address, bits] of ranges) list.addSubnet(address, bits, isIP(address) === 6 ? 'ipv6' : 'ipv4')
  return list
}

const refusedAt: Readonly<Record<Reach, BlockList>> = {
  public: listOf(...never, ...ofTheMachine, ...privates),
  private: listOf(...never, ...ofTheMachine),
  machine: listOf(...never),
}

/** Whether an issuer at this address may be asked. IPv4 in IPv6 (`::ffff:…`) counts as what it holds. */
export const isWithin = (reach: Reach, address: string): boolean => {
  const family = isIP(address)
  return family !== 0 && !refusedAt[reach].check(address, family === 6 ? 'ipv6' : 'ipv4')
}

type Callback = (error: Error | null, address: string | LookupAddress[], family?: number) => void

/** What names are resolved with: Node’s own. */
export type Lookup = (hostname: string, options: LookupOptions, callback: Callback) => void

const refusal = (hostname: string, address: string): Error => new Error(`${hostname} is at ${address}, where no issuer may be`)

/** Resolves like `inner`, and fails when any of the addresses is out of reach. */
export const lookupWithin =
  (reach: Reach, inner: Lookup = dnsLookup as Lookup): Lookup =>
  (hostname, options, callback) =>
    inner(hostname, options, (error, address, family) => {
      if (error !== null) return callback(error, address, family)
      const outside = [address]
        .flat()
        .map(each => (typeof each === 'string' ? each : each.address))
        .find(each => !isWithin(reach, each))
      return outside === undefined ? callback(null, address, family) : callback(refusal(hostname, outside), [], family)
    })

/** Throws for a host that is an address out of reach; names are looked at when they are resolved. */
export const checkHost = ({hostname}: URL, reach: Reach): void => {
  const address = hostname.replace(/^\[(.*)\]$/, '$1')
  if (isIP(address) !== 0 && !isWithin(reach, address)) throw refusal(hostname, address)
}
