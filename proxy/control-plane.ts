// The discovery feed, called with the token that the environment names. Knows nothing of what becomes of an answer.
import {readFileSync} from 'node:fs'
import {createClient} from '#shared/client.ts'
import {type Environment, read, required} from '#shared/config.ts'
import {GilliamError} from '#shared/errors.ts'
import {type DiscoveryOptions, idleHoldMs} from './discovery.ts'
import type {RelayOptions} from './rendezvous/server.ts'

/** One call to the feed; the loop is what repeats it. */
const discoverTimeoutMs = idleHoldMs + 5_000
const keysTimeoutMs = 5_000

/** Fetches what tickets are checked with; anybody may have it. */
export const createFetchKeys = (env: Environment): RelayOptions['fetchKeys'] => {
  const client = createClient({api: required(env, 'GILLIAM_API')})
  return async () => (await client.call('getRelayKeys', {}, {timeoutMs: keysTimeoutMs, triesMax: 2})).keys
}

/** The feed through the API client. The token is read again when the control plane refuses it, so it can be replaced while we run. */
export const createDiscover = (env: Environment): DiscoveryOptions['discover'] => {
  const api = required(env, 'GILLIAM_API')
  const tokenFile = read(env, 'GILLIAM_TOKEN_FILE')
  const token = (): string => (tokenFile === '' ? required(env, 'GILLIAM_TOKEN') : readFileSync(tokenFile, 'utf8').trim())
  let client = createClient({api, token: token()})
  return async (asked, signal) => {
    try {
      return await client.call('discover', {body: asked}, {timeoutMs: discoverTimeoutMs, triesMax: 1, signal})
    } catch (error) {
      if (error instanceof GilliamError && error.code === 'unauthenticated') client = createClient({api, token: token()})
      throw error
    }
  }
}
