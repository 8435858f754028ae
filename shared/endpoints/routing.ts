// Endpoints of routes.
import type {Scope} from '../scopes.ts'
import type {EndpointFacts} from './endpoint.ts'

const admin: readonly Scope[] = ['admin']

export const routingEndpoints = {
  listRoutes: {
    method: 'GET',
    path: '/v1/routes',
    function: 'routing',
    scopes: admin,
    summary: 'List routes in order of precedence',
    status: 200,
  },
  createRoute: {
    method: 'POST',
    path: '/v1/routes',
    function: 'routing',
    scopes: admin,
    summary: 'Create a route',
    status: 201,
    idempotency: 'keyed',
  },
  getRoute: {
    method: 'GET',
    path: '/v1/routes/{route}',
    function: 'routing',
    scopes: admin,
    summary: 'Show a route',
    status: 200,
  },
  deleteRoute: {
    method: 'DELETE',
    path: '/v1/routes/{route}',
    function: 'routing',
    scopes: admin,
    summary: 'Remove a route',
    status: 204,
  },
} as const satisfies Record<string, EndpointFacts>
