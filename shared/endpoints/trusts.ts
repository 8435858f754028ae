// Endpoints of trusts: tokens for those who prove elsewhere who they are.
import type {Scope} from '../scopes.ts'
import type {EndpointFacts} from './endpoint.ts'

const admin: readonly Scope[] = ['admin']

export const trustsEndpoints = {
  createTrust: {
    method: 'POST',
    path: '/v1/trusts',
    function: 'access',
    scopes: admin,
    summary: 'Give tokens for id tokens of an issuer that say certain things',
    status: 201,
    idempotency: 'keyed',
  },
  listTrusts: {
    method: 'GET',
    path: '/v1/trusts',
    function: 'access',
    scopes: admin,
    summary: 'List trusts',
    status: 200,
  },
  deleteTrust: {
    method: 'DELETE',
    path: '/v1/trusts/{trust}',
    function: 'access',
    scopes: admin,
    summary: 'Remove a trust, and revoke the tokens given under it',
    status: 204,
  },
  exchangeToken: {
    method: 'POST',
    path: '/v1/tokens/exchange',
    function: 'access',
    scopes: 'public',
    summary: 'Get a short-lived token for an id token that a trust fits',
    status: 201,
    bodyBytesMax: 20_000,
    idempotency: 'natural',
  },
  getLogin: {
    method: 'GET',
    path: '/v1/login',
    function: 'access',
    scopes: 'public',
    summary: 'Where people log in',
    status: 200,
  },
} as const satisfies Record<string, EndpointFacts>
