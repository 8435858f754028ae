// Log lines of a formation's instances, read page by page. Writing comes with an agent's sync.
import {findFormation} from '#lambdas/middleware/formation.ts'
import {type ApiFunction, createFunction} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import type {InputOf} from '#shared/endpoints.ts'
import type {Logger} from '#shared/log.ts'
import type {LogQuery, LogStore} from '#shared/ports.ts'

export const logLinesDefault = 200
export const logLinesMax = 1_000

export interface LogsDeps {
  readonly store: Pick<Store, 'tokens' | 'idempotency' | 'formations'>
  readonly log: Logger
  readonly now: () => number
  readonly logs: LogStore
}

const queryOf = ({params, query}: InputOf<'getLogs'>): LogQuery => ({
  formation: params.formation,
  ...(query.service === undefined ? {} : {service: query.service}),
  ...(query.instance === undefined ? {} : {instance: query.instance}),
  ...(query.since === undefined ? {} : {since: Number(query.since)}),
  ...(query.cursor === undefined ? {} : {cursor: query.cursor}),
  limit: Math.min(logLinesMax, Math.max(1, Number(query.limit ?? logLinesDefault))),
})

export const createLogsFunction = ({store, log, now, logs}: LogsDeps): ApiFunction =>
  createFunction(
    'logs',
    {store, log, now},
    {
      getLogs: async input => {
        await findFormation(store, input.params.formation)
        return logs.read(queryOf(input))
      },
    },
  )
