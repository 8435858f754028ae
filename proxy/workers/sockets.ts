// The listening sockets, held by the primary for as long as it lives. Workers come and go; a connection that arrives meanwhile waits in the kernel's queue.
import {lookup} from 'node:dns/promises'
import net from 'node:net'
import {getSystemErrorMessage, getSystemErrorName} from 'node:util'

/** A socket that is bound and not read: it can only be passed to a child process, or closed. */
export interface HeldSocket {
  readonly close: () => void
}

interface RawSocket extends HeldSocket {
  readonly getsockname: (out: {port?: number}) => number
}

/**
 * What node:cluster makes its listening sockets with; undocumented. The documented ways all begin to accept connections, or (node:cluster) let go of the
 * socket with the last worker.
 */
type CreateSocket = (address: string, port: number, family: 4 | 6, fd: -1, flags: number) => RawSocket | number

/** libuv's UV_TCP_REUSEPORT (`enum uv_tcp_flags`). */
const reusePort = 2

const refusal = (code: number, host: string, port: number): Error => {
  const [name, message] = [getSystemErrorName(code), getSystemErrorMessage(code)]
  return Object.assign(new Error(`listen ${name}: ${message} ${host}:${port}`), {code: name})
}

const bind = (host: string, address: string, port: number, family: number, flags: number): HeldSocket => {
  const create = (net as unknown as {_createServerHandle: CreateSocket})._createServerHandle
  const socket = create(address, port, family === 6 ? 6 : 4, -1, flags)
  if (typeof socket === 'number') throw refusal(socket, host, port)
  // libuv tells of a port that is taken only when asked what the socket is bound to.
  const code = socket.getsockname({})
  if (code === 0) return socket
  socket.close()
  throw refusal(code, host, port)
}

/**
 * Binds `count` sockets to one port. The kernel spreads connections over them (SO_REUSEPORT, socket(7)): workers with a socket of their own get equal shares,
 * where those that accept from one socket got 2 and 63 of 65 connections. Throws when the port is taken.
 */
export const holdSockets = async (host: string, port: number, count: number): Promise<readonly HeldSocket[]> => {
  const {address, family} = await lookup(host)
  // A port with SO_REUSEPORT can be shared by accident: whether somebody else listens there is seen without it.
  const only = bind(host, address, port, family, 0)
  if (count === 1) return [only]
  only.close()
  return Array.from({length: count}, () => bind(host, address, port, family, reusePort))
}
