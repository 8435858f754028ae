// The way in of syncs that come by the function's own URL, where no API Gateway matches paths or holds callers back: lets syncs through and nothing else, and
// refuses what can be no executor's token before anything is read. What it lets through is answered by the function like any other request.

import {bearerToken} from '#lambdas/middleware/access.ts'
import {answerError} from '#lambdas/middleware/answers.ts'
import type {ApiFunction} from '#lambdas/middleware.ts'
import {endpoints} from '#shared/endpoints.ts'
import {type ErrorCode, GilliamError} from '#shared/errors.ts'
import {couldBeToken} from '#shared/scopes.ts'

const {method, path} = endpoints.syncExecutor
/** One segment in place of the parameter; longer ones are no name of an executor. */
const pathPattern = new RegExp(`^${path.replace('{executor}', '([^/]{1,255})')}$`)

/** The executor that the path names; undefined when it is no sync's. */
const executorOf = (rawPath: string): string | undefined => {
  const [, name] = pathPattern.exec(rawPath) ?? []
  try {
    return name === undefined ? undefined : decodeURIComponent(name)
  } catch {
    return undefined
  }
}

/** Takes the events of a function URL (payload v2, `routeKey` is always `$default`), and passes syncs on as the gateway would. */
export const createSyncDoor =
  (inner: ApiFunction): ApiFunction =>
  async (event, context) => {
    const {requestId, http} = event.requestContext
    const refuse = (code: ErrorCode, detail: string) => answerError(requestId, new GilliamError(code, detail))
    const executor = http.method === method ? executorOf(event.rawPath) : undefined
    if (executor === undefined) return refuse('not_found', 'Agents sync here; everything else is the API’s.')
    const token = bearerToken(event.headers.authorization)
    if (token === undefined || !couldBeToken(token, 'executor')) return refuse('unauthenticated', 'Send the token of an executor.')
    return inner({...event, routeKey: `${method} ${path}`, pathParameters: {executor}}, context)
  }
