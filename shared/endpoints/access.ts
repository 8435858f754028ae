// Endpoints of tokens, health and the API’s own description.
import type {Scope} from '../scopes.ts'
import type {EndpointFacts} from './endpoint.ts'

const admin: readonly Scope[] = ['admin']

export const accessEndpoints = {
  createToken: {
    method: 'POST',
    path: '/v1/tokens',
    function: 'access',
    scopes: admin,
    summary: 'Create a token; the secret is shown once',
    status: 201,
    idempotency: 'natural',
  },
  listTokens: {
    method: 'GET',
    path: '/v1/tokens',
    function: 'access',
    scopes: admin,
    summary: 'List tokens, without their secrets',
    status: 200,
  },
  revokeToken: {
    method: 'DELETE',
    path: '/v1/tokens/{token}',
    function: 'access',
    scopes: admin,
    summary: 'Revoke a token at once',
    status: 204,
  },
  getHealth: {
    method: 'GET',
    path: '/v1/health',
    function: 'access',
    scopes: 'public',
    summary: 'Whether the control plane answers',
    status: 200,
  },
  getOpenapi: {
    method: 'GET',
    path: '/v1/openapi.json',
    function: 'access',
    scopes: 'public',
    summary: 'This API as an OpenAPI 3.1 document',
    status: 200,
  },
} as const satisfies Record<string, EndpointFacts>
