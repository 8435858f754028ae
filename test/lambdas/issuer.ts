// A real OpenID issuer on 127.0.0.1 for tests: discovery, keys, signed id tokens, and the device flow of RFC 8628. It counts who asks for what.
import {randomUUID} from 'node:crypto'
import {once} from 'node:events'
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import {createServer as createTlsServer} from 'node:https'
import type {AddressInfo} from 'node:net'
import {type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT} from 'jose'

interface Key {
  readonly kid: string
  readonly alg: string
  readonly privateKey: CryptoKey
  readonly publicKey: CryptoKey
}

const makeKey = async (alg: string): Promise<Key> => ({kid: randomUUID(), alg, ...(await generateKeyPair(alg))})

const formOf = async (request: IncomingMessage): Promise<URLSearchParams> => {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return new URLSearchParams(text)
}

/** What the token endpoint says next while the user has not decided. */
export type DeviceAnswer = 'authorization_pending' | 'slow_down' | 'access_denied' | 'expired_token' | 'granted'

const json = (response: ServerResponse, status: number, body: unknown): void =>
  void response.writeHead(status, {'content-type': 'application/json'}).end(JSON.stringify(body))

const discovery = (url: string) => ({
  issuer: url,
  jwks_uri: `${url}/keys`,
  device_authorization_endpoint: `${url}/device`,
  token_endpoint: `${url}/token`,
})

const device = (url: string) => ({
  device_code: 'device',
  user_code: 'WDJB-MJHT',
  verification_uri: `${url}/activate`,
  expires_in: 600,
  interval: 0.01,
})

const jwkOf = async ({kid, alg, publicKey}: Key) => ({...(await exportJWK(publicKey)), kid, alg, use: 'sig'})

export interface IssuerOptions {
  /** Speaks HTTPS with this, instead of HTTP. */
  readonly tls?: {readonly key: string; readonly cert: string}
  /** What it is called; its address by default. */
  readonly name?: string
}

export const startIssuer = async ({tls, name = '127.0.0.1'}: IssuerOptions = {}) => {
  let key = await makeKey('RS256')
  const published: Key[] = [key]
  const asked: string[] = []
  /** Answers of the token endpoint in order; then `granted`. */
  const decisions: DeviceAnswer[] = []
  /** Claims of whoever logs in. */
  const person: {claims: JWTPayload} = {claims: {}}
  /** Replaces an answer by a broken one. */
  const broken = new Map<string, (response: ServerResponse) => void>()

  const sign = (claims: JWTPayload, with_: Key = key, typ = 'JWT'): Promise<string> =>
    new SignJWT(claims).setProtectedHeader({alg: with_.alg, kid: with_.kid, typ}).sign(with_.privateKey)

  const token = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const form = await formOf(request)
    const decision = decisions.shift() ?? 'granted'
    if (form.get('grant_type') !== 'urn:ietf:params:oauth:grant-type:device_code' || form.get('device_code') !== 'device')
      return json(response, 400, {error: 'invalid_grant'})
    if (decision !== 'granted') return json(response, 400, {error: decision})
    json(response, 200, {access_token: 'opaque', token_type: 'Bearer', id_token: await sign(person.claims)})
  }

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url ?? ''
    asked.push(path)
    const instead = broken.get(path)
    if (instead !== undefined) return instead(response)
    if (path === '/.well-known/openid-configuration') return json(response, 200, discovery(url))
    if (path === '/keys') return json(response, 200, {keys: await Promise.all(published.map(jwkOf))})
    if (path === '/device') return json(response, 200, device(url))
    if (path === '/token') return token(request, response)
    response.writeHead(404).end()
  }

  const listener = (request: IncomingMessage, response: ServerResponse): void => void serve(request, response)
  const server = (tls === undefined ? createServer(listener) : createTlsServer(tls, listener)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `${tls === undefined ? 'http' : 'https'}://${name}:${(server.address() as AddressInfo).port}`
  return {
    url,
    asked,
    decisions,
    person,
    broken,
    sign,
    makeKey,
    /** Signs with another key from now on, that the issuer publishes or not. */
    rotate: async (alg = 'RS256', publish = true) => {
      key = await makeKey(alg)
      if (publish) published.push(key)
    },
    stop: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

export type Issuer = Awaited<ReturnType<typeof startIssuer>>
