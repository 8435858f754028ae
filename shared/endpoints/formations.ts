// Endpoints of formations.
import * as api from '../api.ts'
import type {Scope} from '../scopes.ts'
import type {Endpoint} from './endpoint.ts'

const admin: readonly Scope[] = ['admin']
const formation = {formation: api.FormationName}

export const formationsEndpoints = {
  createFormation: {
    method: 'POST',
    path: '/v1/formations',
    function: 'formations',
    scopes: admin,
    summary: 'Create a formation',
    request: api.CreateFormation,
    response: api.Formation,
    status: 201,
    idempotency: 'keyed',
  },
  listFormations: {
    method: 'GET',
    path: '/v1/formations',
    function: 'formations',
    scopes: admin,
    summary: 'List formations',
    response: api.list(api.Formation),
    status: 200,
  },
  getFormation: {
    method: 'GET',
    path: '/v1/formations/{formation}',
    function: 'formations',
    scopes: admin,
    summary: 'Show a formation',
    params: formation,
    response: api.Formation,
    status: 200,
  },
  destroyFormation: {
    method: 'DELETE',
    path: '/v1/formations/{formation}',
    function: 'formations',
    scopes: admin,
    summary: 'Stop everything in a formation, then remove it with its releases and routes',
    params: formation,
    response: api.Formation,
    status: 202,
  },
} as const satisfies Record<string, Endpoint>
