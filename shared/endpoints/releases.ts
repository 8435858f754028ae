// Endpoints of releases and their environment.
import * as api from '../api.ts'
import type {Scope} from '../scopes.ts'
import type {Endpoint} from './endpoint.ts'

const admin: readonly Scope[] = ['admin']
const formation = {formation: api.FormationName}

export const releasesEndpoints = {
  createRelease: {
    method: 'POST',
    path: '/v1/formations/{formation}/releases',
    function: 'formations',
    scopes: admin,
    summary: 'Create the next release; nothing starts yet',
    params: formation,
    request: api.CreateRelease,
    response: api.Release,
    status: 201,
    idempotency: 'keyed',
  },
  listReleases: {
    method: 'GET',
    path: '/v1/formations/{formation}/releases',
    function: 'formations',
    scopes: admin,
    summary: 'List releases, newest first',
    params: formation,
    response: api.list(api.ReleaseSummary),
    status: 200,
  },
  getRelease: {
    method: 'GET',
    path: '/v1/formations/{formation}/releases/{release}',
    function: 'formations',
    scopes: admin,
    summary: 'Show a release, by number or `latest`',
    params: {...formation, release: api.ReleaseParameter},
    response: api.Release,
    status: 200,
  },
  getEnv: {
    method: 'GET',
    path: '/v1/formations/{formation}/env',
    function: 'formations',
    scopes: admin,
    summary: 'Show the latest release’s environment',
    params: formation,
    response: api.Environment,
    status: 200,
  },
  changeEnv: {
    method: 'POST',
    path: '/v1/formations/{formation}/env',
    function: 'formations',
    scopes: admin,
    summary: 'Create a release that differs from the latest in its environment',
    params: formation,
    request: api.ChangeEnv,
    response: api.Release,
    status: 201,
    idempotency: 'keyed',
  },
} as const satisfies Record<string, Endpoint>
