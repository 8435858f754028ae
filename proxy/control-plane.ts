// The discovery feed, called with the token that the environment names. Knows nothing of what becomes of an answer.
import {readFileSync} from 'node:fs'
import {createClient} from '#shared/client.ts'
import {type Environment, read, required} from '#shared/config.ts'
import {GilliamError} from '#shared/errors.ts'
import {type DiscoveryOptions, idleHoldMs} from './discovery.ts'
import type {RelayOptions} from './rendezvous/server.ts'

/** One call to the feed; the loop is what repeats it. */
const discoverTimeoutMs = idleHoldMs + 5_000
const relayTimeoutMs = 5_000

/** What a relay asks for: the keys that tickets are checked with, and whose tokens were revoked. Anybody may have it. */
export const createRelaySource = (env: Environment): Pick<RelayOptions, 'fetchKeys' | 'fetchRevoked'> => {
  const client = createClient({api: required(env, 'GILLIAM_API')})
  const options = {timeoutMs: relayTimeoutMs, triesMax: 2}
  return {
    fetchKeys: async () => (await client.call('getRelayKeys', {}, options)).keys,
    fetchRevoked: since => client.call('getRevoked', {query: {since: String(since)}}, options),
  }
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
