// Endpoints of tokens, health and the API’s own description.
import type {Scope} from '../scopes.ts'
import type {EndpointFacts} from './endpoint.ts'

/** Whoever may make a token sees and revokes those it made. */
const makers: readonly Scope[] = ['admin', 'user', 'join', 'registry', 'discovery']

export const accessEndpoints = {
  createToken: {
    method: 'POST',
    path: '/v1/tokens',
    function: 'access',
    scopes: makers,
    bound: 'own',
    summary: 'Create a token, at most as wide as the one that asks; the secret is shown once',
    status: 201,
    idempotency: 'natural',
  },
  listTokens: {
    method: 'GET',
    path: '/v1/tokens',
    function: 'access',
    scopes: makers,
    bound: 'own',
    summary: 'List tokens, without their secrets: all for an admin, else itself and those it made',
    status: 200,
  },
  revokeToken: {
    method: 'DELETE',
    path: '/v1/tokens/{token}',
    function: 'access',
    scopes: makers,
    bound: 'own',
    summary: 'Revoke a token at once, and those it made',
    status: 204,
  },
  getAudit: {
    method: 'GET',
    path: '/v1/audit',
    function: 'access',
    scopes: ['admin'],
    verb: 'read',
    bound: 'own',
    summary: 'Who changed what, newest first',
    status: 200,
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
