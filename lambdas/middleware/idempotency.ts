// `Idempotency-Key` on keyed POSTs: a repeat gets the first answer again. Only successes are remembered; after a failure the key is free again.
import {createHash} from 'node:crypto'
import type {IdempotencyStore} from '#lambdas/store/index.ts'
import {GilliamError} from '#shared/errors.ts'
import type {Logger} from '#shared/log.ts'
import {answerText} from './answers.ts'
import {bodyText} from './body.ts'
import type {Exchange, Step} from './exchange.ts'

/** Longest `Idempotency-Key`, in characters. */
export const idempotencyKeyCharactersMax = 128

/** What makes two requests the same: endpoint, path, query and body, byte for byte. */
const fingerprintOf = ({http, name}: Exchange): string =>
  createHash('sha256')
    .update(JSON.stringify([name, http.pathParameters ?? {}, http.queryStringParameters ?? {}, bodyText(http)]))
    .digest('hex')

const keyOf = ({http, endpoint}: Exchange): string | undefined => {
  const key = http.headers['idempotency-key']
  if (endpoint.idempotency !== 'keyed' || key === undefined) return undefined
  if (!/^[\x21-\x7e]+$/.test(key) || key.length > idempotencyKeyCharactersMax)
    throw new GilliamError(
      'invalid_request',
      `An Idempotency-Key has 1 to ${idempotencyKeyCharactersMax} printable ASCII characters without spaces.`,
    )
  return key
}

/** Answers repeats; lets one request per key work at a time. Runs last, so that only valid requests take a key. */
export const remembering = (store: IdempotencyStore, log: Logger, now: () => number): Step => {
  // What was done is done: when it can not be remembered the caller still gets the answer, and the key frees itself after a while.
  const tell = (err: unknown, {requestId}: Exchange): void => log.warn({requestId, err}, 'idempotency key not settled')
  return {
    before: async ({event}) => {
      const key = keyOf(event)
      if (key === undefined || event.principal === undefined) return undefined
      const {tokenId} = event.principal
      const begun = await store.begin(tokenId, key, fingerprintOf(event), now())
      if (begun.outcome === 'finished') return answerText(event.requestId, begun.response.status, begun.response.body)
      if (begun.outcome === 'in_progress')
        throw new GilliamError('idempotency_in_progress', 'A request with this Idempotency-Key is being worked on; try again in a moment.')
      if (begun.outcome === 'mismatch')
        throw new GilliamError('idempotency_mismatch', 'This Idempotency-Key was used for a different request; use a new one.')
      event.idempotency = {tokenId, key}
      return undefined
    },
    after: async ({event, response}) => {
      if (event.idempotency === undefined || !response) return
      const {tokenId, key} = event.idempotency
      const stored = {status: response.statusCode ?? event.endpoint.status, body: response.body ?? ''}
      await store.finish(tokenId, key, stored, now()).catch(error => tell(error, event))
    },
    onError: async ({event}) => {
      if (event.idempotency === undefined) return
      await store.abandon(event.idempotency.tokenId, event.idempotency.key).catch(error => tell(error, event))
    },
  }
}
