// Endpoints of routes and of traffic choices.
import type {Scope} from '../scopes.ts'
import type {EndpointFacts} from './endpoint.ts'

const admin: readonly Scope[] = ['admin']
const trafficPath = '/v1/formations/{formation}/traffic/{service}'

export const routingEndpoints = {
  listRoutes: {
    method: 'GET',
    path: '/v1/routes',
    function: 'routing',
    scopes: admin,
    verb: 'read',
    bound: 'own',
    summary: 'List routes in order of precedence',
    status: 200,
  },
  createRoute: {
    method: 'POST',
    path: '/v1/routes',
    function: 'routing',
    scopes: admin,
    verb: 'route',
    bound: 'own',
    summary: 'Create a route',
    status: 201,
    idempotency: 'keyed',
  },
  getRoute: {
    method: 'GET',
    path: '/v1/routes/{route}',
    function: 'routing',
    scopes: admin,
    verb: 'read',
    bound: 'own',
    summary: 'Show a route',
    status: 200,
  },
  changeRoute: {
    method: 'PUT',
    path: '/v1/routes/{route}',
    function: 'routing',
    scopes: admin,
    verb: 'route',
    bound: 'own',
    summary: 'Change where a route leads, and its options, in one step',
    status: 200,
  },
  deleteRoute: {
    method: 'DELETE',
    path: '/v1/routes/{route}',
    function: 'routing',
    scopes: admin,
    verb: 'route',
    bound: 'own',
    summary: 'Remove a route',
    status: 204,
  },
  getTraffic: {
    method: 'GET',
    path: trafficPath,
    function: 'routing',
    scopes: admin,
    verb: 'read',
    summary: 'Show which release of a service answers',
    status: 200,
  },
  setTraffic: {
    method: 'PUT',
    path: trafficPath,
    function: 'routing',
    scopes: admin,
    verb: 'traffic',
    summary: 'Choose which release of a service answers: by header or cookie, by user, by weight',
    status: 200,
  },
  resetTraffic: {
    method: 'DELETE',
    path: trafficPath,
    function: 'routing',
    scopes: admin,
    verb: 'traffic',
    summary: 'Let every live instance of a service answer again',
    status: 204,
  },
} as const satisfies Record<string, EndpointFacts>
