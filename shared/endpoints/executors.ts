// Endpoints of executors.
import type {Scope} from '../scopes.ts'
import type {EndpointFacts} from './endpoint.ts'

const admin: readonly Scope[] = ['admin']

export const executorsEndpoints = {
  joinExecutor: {
    method: 'POST',
    path: '/v1/executors',
    function: 'executors',
    scopes: ['admin', 'join'],
    summary: 'Join an executor and get its credential',
    status: 201,
    idempotency: 'natural',
  },
  joinByRole: {
    method: 'POST',
    path: '/v1/join/role',
    function: 'executors',
    scopes: 'public',
    summary: 'Join as an EC2 machine that proves its role, and get its credential',
    status: 201,
    bodyBytesMax: 65_536,
    idempotency: 'natural',
  },
  syncExecutor: {
    method: 'POST',
    path: '/v1/executors/{executor}/sync',
    function: 'executors',
    scopes: ['executor'],
    summary: 'Heartbeat: report what changed, learn what to run',
    status: 200,
    idempotency: 'natural',
  },
  listExecutors: {
    method: 'GET',
    path: '/v1/executors',
    function: 'executors',
    scopes: admin,
    verb: 'read',
    summary: 'List executors',
    status: 200,
  },
  getExecutor: {
    method: 'GET',
    path: '/v1/executors/{executor}',
    function: 'executors',
    scopes: admin,
    verb: 'read',
    summary: 'Show an executor',
    status: 200,
  },
  drainExecutor: {
    method: 'POST',
    path: '/v1/executors/{executor}/drain',
    function: 'executors',
    scopes: admin,
    verb: 'admin',
    summary: 'Give it nothing new and replace what it runs; or undo',
    status: 202,
    idempotency: 'keyed',
  },
  forgetExecutor: {
    method: 'DELETE',
    path: '/v1/executors/{executor}',
    function: 'executors',
    scopes: admin,
    verb: 'admin',
    summary: 'Forget an executor that is lost, and revoke its credential',
    status: 204,
  },
} as const satisfies Record<string, EndpointFacts>
