// Endpoints of instances and their placement.
import type {Scope} from '../scopes.ts'
import type {EndpointFacts} from './endpoint.ts'

const admin: readonly Scope[] = ['admin']

export const instancesEndpoints = {
  listInstances: {
    method: 'GET',
    path: '/v1/formations/{formation}/instances',
    function: 'formations',
    scopes: admin,
    verb: 'read',
    summary: 'List instances',
    status: 200,
  },
  getInstance: {
    method: 'GET',
    path: '/v1/formations/{formation}/instances/{instance}',
    function: 'formations',
    scopes: admin,
    verb: 'read',
    summary: 'Show an instance',
    status: 200,
  },
  spawnInstance: {
    method: 'POST',
    path: '/v1/formations/{formation}/instances',
    function: 'formations',
    scopes: admin,
    verb: 'run',
    summary: 'Start one instance outside the desired scale',
    status: 201,
    idempotency: 'keyed',
  },
  stopInstance: {
    method: 'DELETE',
    path: '/v1/formations/{formation}/instances/{instance}',
    function: 'formations',
    scopes: admin,
    verb: 'run',
    summary: 'Stop an instance; one that scale asks for is replaced',
    status: 202,
  },
  explain: {
    method: 'GET',
    path: '/v1/formations/{formation}/explain/{target}',
    function: 'formations',
    scopes: admin,
    verb: 'read',
    summary: 'Why an instance, or the next one of a service, fits where',
    status: 200,
  },
} as const satisfies Record<string, EndpointFacts>
