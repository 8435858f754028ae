// Endpoints of secrets.
import type {Scope} from '../scopes.ts'
import type {EndpointFacts} from './endpoint.ts'

const admin: readonly Scope[] = ['admin']

export const secretsEndpoints = {
  listSecrets: {
    method: 'GET',
    path: '/v1/formations/{formation}/secrets',
    function: 'access',
    scopes: admin,
    verb: 'read',
    summary: 'List secrets, without their values',
    status: 200,
  },
  setSecret: {
    method: 'PUT',
    path: '/v1/formations/{formation}/secrets/{secret}',
    function: 'access',
    scopes: admin,
    verb: 'secrets',
    summary: 'Set a secret, and replace the instances that use it',
    status: 200,
  },
  deleteSecret: {
    method: 'DELETE',
    path: '/v1/formations/{formation}/secrets/{secret}',
    function: 'access',
    scopes: admin,
    verb: 'secrets',
    summary: 'Remove a secret that nothing uses',
    status: 204,
  },
} as const satisfies Record<string, EndpointFacts>
