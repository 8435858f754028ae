// Endpoints of volumes.
import type {Scope} from '../scopes.ts'
import type {EndpointFacts} from './endpoint.ts'

const admin: readonly Scope[] = ['admin']

export const volumesEndpoints = {
  listVolumes: {
    method: 'GET',
    path: '/v1/formations/{formation}/volumes',
    function: 'formations',
    scopes: admin,
    verb: 'read',
    summary: 'List volumes, and the executors they stay with',
    status: 200,
  },
  releaseVolume: {
    method: 'DELETE',
    path: '/v1/formations/{formation}/volumes/{service}',
    function: 'formations',
    scopes: admin,
    verb: 'admin',
    summary: 'Give a volume up that no instance has: the next one begins empty, on any executor; or remove its data as well',
    status: 204,
  },
} as const satisfies Record<string, EndpointFacts>
