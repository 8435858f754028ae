// Endpoints of log lines.
import * as api from '../api.ts'
import type {Scope} from '../scopes.ts'
import type {Endpoint} from './endpoint.ts'

const admin: readonly Scope[] = ['admin']
const formation = {formation: api.FormationName}

export const logsEndpoints = {
  getLogs: {
    method: 'GET',
    path: '/v1/formations/{formation}/logs',
    function: 'logs',
    scopes: admin,
    summary: 'Log lines of a formation’s instances, oldest first',
    params: formation,
    query: api.LogsQuery,
    response: api.LogPage,
    status: 200,
  },
} as const satisfies Record<string, Endpoint>
