// Endpoints of desired scale and rollouts.
import type {Scope} from '../scopes.ts'
import type {EndpointFacts} from './endpoint.ts'

const admin: readonly Scope[] = ['admin']

export const scaleEndpoints = {
  getScale: {
    method: 'GET',
    path: '/v1/formations/{formation}/scale',
    function: 'formations',
    scopes: admin,
    verb: 'read',
    summary: 'Desired and actual instances by release and service',
    status: 200,
  },
  setScale: {
    method: 'PUT',
    path: '/v1/formations/{formation}/scale',
    function: 'formations',
    scopes: admin,
    verb: 'scale',
    summary: 'Set desired instances of services of one release',
    status: 200,
  },
  rebalance: {
    method: 'POST',
    path: '/v1/formations/{formation}/rebalance',
    function: 'formations',
    scopes: admin,
    verb: 'scale',
    summary: 'Tell which instances would be better off on other executors, and begin with a few of them',
    status: 200,
    idempotency: 'keyed',
  },
  createRollout: {
    method: 'POST',
    path: '/v1/formations/{formation}/rollouts',
    function: 'formations',
    scopes: admin,
    verb: 'deploy',
    summary: 'Start a release beside the old ones and end those when it serves',
    status: 201,
    idempotency: 'keyed',
  },
  getRollout: {
    method: 'GET',
    path: '/v1/formations/{formation}/rollouts/{release}',
    function: 'formations',
    scopes: admin,
    verb: 'read',
    summary: 'Show the rollout of a release',
    status: 200,
  },
} as const satisfies Record<string, EndpointFacts>
