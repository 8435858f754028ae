// Endpoints of instances and their placement.
import * as api from '../api.ts'
import type {Scope} from '../scopes.ts'
import type {Endpoint} from './endpoint.ts'

const admin: readonly Scope[] = ['admin']
const formation = {formation: api.FormationName}

export const instancesEndpoints = {
  listInstances: {
    method: 'GET',
    path: '/v1/formations/{formation}/instances',
    function: 'formations',
    scopes: admin,
    summary: 'List instances',
    params: formation,
    query: api.InstancesQuery,
    response: api.list(api.Instance),
    status: 200,
  },
  getInstance: {
    method: 'GET',
    path: '/v1/formations/{formation}/instances/{instance}',
    function: 'formations',
    scopes: admin,
    summary: 'Show an instance',
    params: {...formation, instance: api.InstanceId},
    response: api.Instance,
    status: 200,
  },
  spawnInstance: {
    method: 'POST',
    path: '/v1/formations/{formation}/instances',
    function: 'formations',
    scopes: admin,
    summary: 'Start one instance outside the desired scale',
    params: formation,
    request: api.SpawnInstance,
    response: api.Instance,
    status: 201,
    idempotency: 'keyed',
  },
  stopInstance: {
    method: 'DELETE',
    path: '/v1/formations/{formation}/instances/{instance}',
    function: 'formations',
    scopes: admin,
    summary: 'Stop an instance; one that scale asks for is replaced',
    params: {...formation, instance: api.InstanceId},
    response: api.Instance,
    status: 202,
  },
  explain: {
    method: 'GET',
    path: '/v1/formations/{formation}/explain/{target}',
    function: 'formations',
    scopes: admin,
    summary: 'Why an instance, or the next one of a service, fits where',
    params: {...formation, target: api.ServiceName.or(api.InstanceName).or(api.InstanceId)},
    query: api.ExplainQuery,
    response: api.Explanation,
    status: 200,
  },
} as const satisfies Record<string, Endpoint>
