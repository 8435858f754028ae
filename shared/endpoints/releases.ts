// Endpoints of releases and their environment.
import type {Scope} from '../scopes.ts'
import type {EndpointFacts} from './endpoint.ts'

const admin: readonly Scope[] = ['admin']

export const releasesEndpoints = {
  createRelease: {
    method: 'POST',
    path: '/v1/formations/{formation}/releases',
    function: 'formations',
    scopes: admin,
    verb: 'deploy',
    summary: 'Create the next release; nothing starts yet',
    status: 201,
    idempotency: 'keyed',
  },
  listReleases: {
    method: 'GET',
    path: '/v1/formations/{formation}/releases',
    function: 'formations',
    scopes: admin,
    verb: 'read',
    summary: 'List releases, newest first',
    status: 200,
  },
  getRelease: {
    method: 'GET',
    path: '/v1/formations/{formation}/releases/{release}',
    function: 'formations',
    scopes: admin,
    verb: 'read',
    summary: 'Show a release, by number or `latest`',
    status: 200,
  },
  listFetches: {
    method: 'GET',
    path: '/v1/formations/{formation}/releases/{release}/fetches',
    function: 'formations',
    scopes: admin,
    verb: 'read',
    summary: 'Tell how executors get on that fetch a release ahead',
    status: 200,
  },
  getEnv: {
    method: 'GET',
    path: '/v1/formations/{formation}/env',
    function: 'formations',
    scopes: admin,
    verb: 'read',
    summary: 'Show the latest release’s environment',
    status: 200,
  },
  changeEnv: {
    method: 'POST',
    path: '/v1/formations/{formation}/env',
    function: 'formations',
    scopes: admin,
    verb: 'deploy',
    summary: 'Create a release that differs from the latest in its environment',
    status: 201,
    idempotency: 'keyed',
  },
} as const satisfies Record<string, EndpointFacts>
