// Endpoints of log lines.
import type {Scope} from '../scopes.ts'
import type {EndpointFacts} from './endpoint.ts'

const admin: readonly Scope[] = ['admin']

export const logsEndpoints = {
  getLogs: {
    method: 'GET',
    path: '/v1/formations/{formation}/logs',
    function: 'logs',
    scopes: admin,
    verb: 'logs',
    summary: 'Log lines of a formation’s instances, oldest first',
    status: 200,
  },
} as const satisfies Record<string, EndpointFacts>
