// Endpoints of types of backing services.
import type {Scope} from '../scopes.ts'
import type {EndpointFacts} from './endpoint.ts'

const admin: readonly Scope[] = ['admin']

export const typesEndpoints = {
  listTypes: {
    method: 'GET',
    path: '/v1/types',
    function: 'formations',
    scopes: admin,
    verb: 'read',
    bound: 'any',
    summary: 'List types of backing services: those built in, and the stage’s own',
    status: 200,
  },
  getType: {
    method: 'GET',
    path: '/v1/types/{type}',
    function: 'formations',
    scopes: admin,
    verb: 'read',
    bound: 'any',
    summary: 'Show a type with its file',
    status: 200,
  },
  setType: {
    method: 'PUT',
    path: '/v1/types/{type}',
    function: 'formations',
    scopes: admin,
    verb: 'admin',
    summary: 'Add a type to the stage, or replace it; releases that are there keep what they hold',
    status: 200,
  },
  deleteType: {
    method: 'DELETE',
    path: '/v1/types/{type}',
    function: 'formations',
    scopes: admin,
    verb: 'admin',
    summary: 'Remove a type of the stage; releases that are there keep what they hold',
    status: 204,
  },
} as const satisfies Record<string, EndpointFacts>
