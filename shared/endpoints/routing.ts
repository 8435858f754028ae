// Endpoints of routes.
import * as api from '../api.ts'
import type {Scope} from '../scopes.ts'
import type {Endpoint} from './endpoint.ts'

const admin: readonly Scope[] = ['admin']

export const routingEndpoints = {
  listRoutes: {
    method: 'GET',
    path: '/v1/routes',
    function: 'routing',
    scopes: admin,
    summary: 'List routes in order of precedence',
    response: api.list(api.RouteView),
    status: 200,
  },
  createRoute: {
    method: 'POST',
    path: '/v1/routes',
    function: 'routing',
    scopes: admin,
    summary: 'Create a route',
    request: api.CreateRoute,
    response: api.RouteView,
    status: 201,
    idempotency: 'keyed',
  },
  getRoute: {
    method: 'GET',
    path: '/v1/routes/{route}',
    function: 'routing',
    scopes: admin,
    summary: 'Show a route',
    params: {route: api.FormationName},
    response: api.RouteView,
    status: 200,
  },
  deleteRoute: {
    method: 'DELETE',
    path: '/v1/routes/{route}',
    function: 'routing',
    scopes: admin,
    summary: 'Remove a route',
    params: {route: api.FormationName},
    status: 204,
  },
} as const satisfies Record<string, Endpoint>
