// Endpoints of formations.
import type {Scope} from '../scopes.ts'
import type {EndpointFacts} from './endpoint.ts'

const admin: readonly Scope[] = ['admin']

export const formationsEndpoints = {
  createFormation: {
    method: 'POST',
    path: '/v1/formations',
    function: 'formations',
    scopes: admin,
    verb: 'deploy',
    bound: 'own',
    summary: 'Create a formation',
    status: 201,
    idempotency: 'keyed',
  },
  listFormations: {
    method: 'GET',
    path: '/v1/formations',
    function: 'formations',
    scopes: admin,
    verb: 'read',
    bound: 'own',
    summary: 'List formations',
    status: 200,
  },
  getFormation: {
    method: 'GET',
    path: '/v1/formations/{formation}',
    function: 'formations',
    scopes: admin,
    verb: 'read',
    summary: 'Show a formation',
    status: 200,
  },
  destroyFormation: {
    method: 'DELETE',
    path: '/v1/formations/{formation}',
    function: 'formations',
    scopes: admin,
    verb: 'admin',
    summary: 'Stop everything in a formation, then remove it with its releases and routes',
    status: 202,
  },
} as const satisfies Record<string, EndpointFacts>
