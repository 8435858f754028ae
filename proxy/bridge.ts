// Lets containers reach a proxy of the loopback: listens on the address of their network's interface too, and passes bytes on. It takes connections
// from that network only, and knows nothing of what is said.
import {BlockList, connect, createServer, isIPv4, type Server, type Socket} from 'node:net'
import type {NetworkInterfaceInfo} from 'node:os'
import type {Logger} from '#shared/log.ts'

/** The interface comes with its first container, and is looked for this often. */
const lookMs = 500
const connectionsMax = 4_096

export interface BridgeOptions {
  /** Name of the interface: `docker0`. */
  readonly name: string
  /** Where the proxy listens; the same port is taken on the interface. */
  readonly target: {readonly host: string; readonly port: number}
  readonly interfaces: () => NodeJS.Dict<NetworkInterfaceInfo[]>
  readonly log: Logger
}

interface Place {
  readonly address: string
  readonly cidr: string
}

const placeOf = ({name, interfaces}: BridgeOptions): Place | undefined => {
  const found = interfaces()[name]?.find(({family}) => family === 'IPv4')
  return found?.cidr === undefined || found.cidr === null ? undefined : {address: found.address, cidr: found.cidr}
}

const pass = (from: Socket, target: BridgeOptions['target']): void => {
  const to = connect({...target, allowHalfOpen: true})
  for (const [socket, other] of [
    [from, to],
    [to, from],
  ] as const) {
    socket.setNoDelay(true)
    socket.on('error', () => other.destroy())
    socket.on('close', () => other.destroy())
    socket.pipe(other)
  }
}

const serve = ({address, cidr}: Place, {target, log, name}: BridgeOptions): Server => {
  const [network = '', bits = '32'] = cidr.split('/')
  const neighbours = new BlockList()
  neighbours.addSubnet(network, Number(bits), 'ipv4')
  const server = createServer({allowHalfOpen: true}, socket => {
    const remote = socket.remoteAddress ?? ''
    // Another interface's packets can carry this address as well.
    if (isIPv4(remote) && neighbours.check(remote, 'ipv4')) pass(socket, target)
    else socket.destroy()
  })
  server.maxConnections = connectionsMax
  server.on('error', error => log.warn({err: error, interface: name}, 'containers can not reach the proxy'))
  server.listen({host: address, port: target.port}, () => log.info({address, interface: name}, 'containers reach the proxy'))
  return server
}

/** Listens as soon as there is such an interface, until the returned function is called. */
export const startBridge = (options: BridgeOptions): (() => void) => {
  let at: Place | undefined
  let server: Server | undefined
  const look = (): void => {
    const place = placeOf(options)
    // Without containers it may seem gone; its address is still there.
    if (place === undefined || (place.address === at?.address && place.cidr === at.cidr && server?.listening === true)) return
    server?.close()
    at = place
    server = serve(place, options)
  }
  const timer = setInterval(look, lookMs)
  look()
  return () => {
    clearInterval(timer)
    server?.close()
  }
}
