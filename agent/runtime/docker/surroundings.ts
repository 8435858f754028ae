// What the engine's machine is like: its network, made when it is not there, cores and file systems. Asked once per agent, and again after something went wrong.
import {lookup} from 'node:dns/promises'
import type {Limit} from '../cgroup.ts'
import {type EngineApi, EngineRefusal} from './api.ts'
import type {Surroundings} from './container.ts'

interface Info {
  readonly NCPU: number
  readonly Driver: string
  readonly InitBinary: string
}

interface Network {
  readonly IPAM: {readonly Config?: readonly {readonly Gateway?: string}[] | null}
}

/** The network, and the machine's address in it. */
interface NetworkView {
  readonly gateway: string | undefined
}

const networkView = async (api: EngineApi, name: string): Promise<NetworkView | undefined> => {
  try {
    const {IPAM} = await api.call<Network>('GET', `/networks/${name}`)
    return {gateway: IPAM.Config?.find(({Gateway}) => Gateway !== undefined)?.Gateway}
  } catch (error) {
    if (error instanceof EngineRefusal && error.status === 404) return undefined
    throw error
  }
}

/** The engine's own networks are there; another is made as a bridge of its name, in which containers do not reach each other but by published ports. */
const ensureNetwork = async (api: EngineApi, name: string): Promise<NetworkView> => {
  const found = await networkView(api, name)
  if (found !== undefined) return found
  const options = {'com.docker.network.bridge.name': name, 'com.docker.network.bridge.enable_icc': 'false'}
  const body = {Name: name, Driver: 'bridge', CheckDuplicate: true, Options: options, Labels: {gilliam: 'network'}}
  await api.call('POST', '/networks/create', {body}).catch(error => {
    // Another agent of this machine was quicker.
    if (!(error instanceof EngineRefusal && error.status === 409)) throw error
  })
  return (await networkView(api, name)) ?? {gateway: undefined}
}

export interface Around extends Surroundings {
  /** The machine's address as containers see it; undefined in a network without one. */
  readonly gateway: string | undefined
}

export interface AroundOptions {
  readonly api: EngineApi
  /** Address or name of the executor. */
  readonly host: string
  readonly network: string
  /** The agent's own `UID:GID`. */
  readonly owner: string
  /** Which bounds of instances hold. */
  readonly limits: ReadonlySet<Limit>
}

/** Asks the engine. */
export const lookAround = async ({api, host, network, owner, limits}: AroundOptions): Promise<Around> => {
  const [{NCPU, Driver, InitBinary}, {gateway}, {address}] = await Promise.all([
    api.call<Info>('GET', '/info'),
    ensureNetwork(api, network),
    lookup(host),
  ])
  return {hostAddress: address, network, owner, limits, cores: NCPU, hasInit: InitBinary !== '', hasOverlay: Driver === 'overlay2', gateway}
}
