// Endpoints of tokens, health and the API’s own description.
import * as api from '../api.ts'
import type {Scope} from '../scopes.ts'
import type {Endpoint} from './endpoint.ts'

const admin: readonly Scope[] = ['admin']

export const accessEndpoints = {
  createToken: {
    method: 'POST',
    path: '/v1/tokens',
    function: 'access',
    scopes: admin,
    summary: 'Create a token; the secret is shown once',
    request: api.CreateToken,
    response: api.Token,
    status: 201,
    idempotency: 'natural',
  },
  listTokens: {
    method: 'GET',
    path: '/v1/tokens',
    function: 'access',
    scopes: admin,
    summary: 'List tokens, without their secrets',
    response: api.list(api.Token),
    status: 200,
  },
  revokeToken: {
    method: 'DELETE',
    path: '/v1/tokens/{token}',
    function: 'access',
    scopes: admin,
    summary: 'Revoke a token at once',
    params: {token: api.TokenId},
    status: 204,
  },
  getHealth: {
    method: 'GET',
    path: '/v1/health',
    function: 'access',
    scopes: 'public',
    summary: 'Whether the control plane answers',
    response: api.Health,
    status: 200,
  },
  getOpenapi: {
    method: 'GET',
    path: '/v1/openapi.json',
    function: 'access',
    scopes: 'public',
    summary: 'This API as an OpenAPI 3.1 document',
    response: api.OpenapiDocument,
    status: 200,
  },
} as const satisfies Record<string, Endpoint>
