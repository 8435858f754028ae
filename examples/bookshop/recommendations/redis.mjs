// A redis client in one page: how a service reaches something that does not speak HTTP.
//
// `_cache.bookshop.service:6379` is no name that DNS knows. The proxy knows it: `CONNECT _cache.bookshop.service:6379` (RFC 9110 §9.3.6) makes it a plain TCP
// tunnel to a live instance, whatever machine that runs on. Over the tunnel goes RESP (https://redis.io/docs/latest/develop/reference/protocol-spec/).
import {request} from 'node:http'

const connectTimeoutMs = 1_000
const replyTimeoutMs = 1_000
const replyBytesMax = 1_048_576

/** A TCP connection to `<service>.<formation>.service:<port>` through the HTTP proxy. Rejects with the proxy's own words when there is none. */
const tunnel = (proxy, address) =>
  new Promise((resolve, reject) => {
    const connecting = request(proxy, {method: 'CONNECT', path: address, headers: {host: address}, agent: false, timeout: connectTimeoutMs})
    connecting.once('timeout', () => connecting.destroy(new Error(`${address} did not answer within ${connectTimeoutMs} ms`)))
    connecting.once('error', reject)
    connecting.once('connect', (response, socket) => {
      socket.setTimeout(0)
      if (response.statusCode === 200) return resolve(socket)
      socket.destroy()
      reject(new Error(`the proxy answered ${response.statusCode} for ${address}`))
    })
    connecting.end()
  })

const encode = words => `*${words.length}\r\n${words.map(word => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`

/** One simple (`+OK`), error (`-ERR …`), integer (`:1`) or bulk (`$3 abc`) reply at the start of `data`; undefined while it is not all there. */
const decode = data => {
  const end = data.indexOf('\r\n')
  if (end < 0) return undefined
  const line = data.toString('utf8', 1, end)
  if (data[0] !== 0x24 /* $ */) return {value: line, isError: data[0] === 0x2d /* - */, size: end + 2}
  const length = Number(line)
  if (length < 0) return {value: undefined, size: end + 2}
  const size = end + 2 + length + 2
  return data.length < size ? undefined : {value: data.toString('utf8', end + 2, size - 2), size}
}

/** One connection, made when first needed and again after it broke. */
export class Redis {
  #proxy
  #address
  #socket
  #waiting = []

  constructor(proxy, address) {
    this.#proxy = proxy
    this.#address = address
  }

  /** Sends one command: `call('SET', 'key', 'value', 'EX', '60')`. Rejects when redis can not be reached or refuses it. */
  async call(...words) {
    this.#socket ??= this.#connect()
    const socket = await this.#socket
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => socket.destroy(new Error(`redis did not answer within ${replyTimeoutMs} ms`)), replyTimeoutMs)
      this.#waiting.push({resolve, reject, timer})
      socket.write(encode(words))
    })
  }

  /** Closes the connection, if there is one. */
  async close() {
    const socket = await this.#socket?.catch(() => undefined)
    socket?.destroy()
  }

  async #connect() {
    try {
      if (this.#proxy === undefined) throw new Error('HTTP_PROXY is not set')
      const socket = await tunnel(this.#proxy, this.#address)
      let data = Buffer.alloc(0)
      socket.on('data', chunk => {
        data = this.#settle(Buffer.concat([data, chunk]))
        if (data.length > replyBytesMax) socket.destroy(new Error(`a redis reply is larger than ${replyBytesMax} bytes`))
      })
      socket.on('error', error => this.#broken(error))
      socket.on('close', () => this.#broken(new Error('redis closed the connection')))
      return socket
    } catch (error) {
      this.#socket = undefined
      throw error
    }
  }

  #settle(data) {
    for (let reply = decode(data); reply !== undefined; reply = decode(data)) {
      data = data.subarray(reply.size)
      const {resolve, reject, timer} = this.#waiting.shift()
      clearTimeout(timer)
      if (reply.isError) reject(new Error(reply.value))
      else resolve(reply.value)
    }
    return data
  }

  #broken(error) {
    this.#socket = undefined
    for (const {reject, timer} of this.#waiting.splice(0)) {
      clearTimeout(timer)
      reject(error)
    }
  }
}
