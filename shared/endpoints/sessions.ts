// Endpoints of one-off work, and of lines as they are written.
import type {Scope} from '../scopes.ts'
import type {EndpointFacts} from './endpoint.ts'

const admin: readonly Scope[] = ['admin']

export const sessionsEndpoints = {
  execInstance: {
    method: 'POST',
    path: '/v1/formations/{formation}/instances/{instance}/exec',
    function: 'formations',
    scopes: admin,
    verb: 'exec',
    summary: 'Run a command in a running instance',
    status: 201,
    idempotency: 'keyed',
  },
  runService: {
    method: 'POST',
    path: '/v1/formations/{formation}/runs',
    function: 'formations',
    scopes: admin,
    verb: 'exec',
    summary: 'Run a command once, in an instance of its own',
    status: 201,
    idempotency: 'keyed',
  },
  followLogs: {
    method: 'POST',
    path: '/v1/formations/{formation}/logs/follow',
    function: 'formations',
    scopes: admin,
    verb: 'logs',
    summary: 'Lines of one executor’s instances, as they are written',
    status: 201,
    idempotency: 'keyed',
  },
  getRelayKeys: {
    method: 'GET',
    path: '/v1/relay/keys',
    function: 'access',
    scopes: 'public',
    summary: 'What relays check tickets with',
    status: 200,
  },
  getRevoked: {
    method: 'GET',
    path: '/v1/relay/revoked',
    function: 'access',
    scopes: 'public',
    summary: 'Ids of tokens revoked of late: relays end their sessions',
    status: 200,
  },
} as const satisfies Record<string, EndpointFacts>
