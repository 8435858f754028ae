// Endpoints of desired scale and rollouts.
import * as api from '../api.ts'
import type {Scope} from '../scopes.ts'
import type {Endpoint} from './endpoint.ts'

const admin: readonly Scope[] = ['admin']
const formation = {formation: api.FormationName}

export const scaleEndpoints = {
  getScale: {
    method: 'GET',
    path: '/v1/formations/{formation}/scale',
    function: 'formations',
    scopes: admin,
    summary: 'Desired and actual instances by release and service',
    params: formation,
    response: api.list(api.Scale),
    status: 200,
  },
  setScale: {
    method: 'PUT',
    path: '/v1/formations/{formation}/scale',
    function: 'formations',
    scopes: admin,
    summary: 'Set desired instances of services of one release',
    params: formation,
    request: api.SetScale,
    response: api.list(api.Scale),
    status: 200,
  },
  createRollout: {
    method: 'POST',
    path: '/v1/formations/{formation}/rollouts',
    function: 'formations',
    scopes: admin,
    summary: 'Start a release beside the old ones and end those when it serves',
    params: formation,
    request: api.CreateRollout,
    response: api.Rollout,
    status: 201,
    idempotency: 'keyed',
  },
  getRollout: {
    method: 'GET',
    path: '/v1/formations/{formation}/rollouts/{release}',
    function: 'formations',
    scopes: admin,
    summary: 'Show the rollout of a release',
    params: {...formation, release: api.ReleaseParameter},
    response: api.Rollout,
    status: 200,
  },
} as const satisfies Record<string, Endpoint>
