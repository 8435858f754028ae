// Endpoints of slugs.
import type {Scope} from '../scopes.ts'
import type {EndpointFacts} from './endpoint.ts'

const admin: readonly Scope[] = ['admin']

export const artifactsEndpoints = {
  createArtifact: {
    method: 'POST',
    path: '/v1/artifacts',
    function: 'artifacts',
    scopes: admin,
    verb: 'deploy',
    bound: 'any',
    summary: 'Ask where to upload a slug; tells when it is already stored',
    status: 201,
    idempotency: 'natural',
  },
  getArtifact: {
    method: 'GET',
    path: '/v1/artifacts/{sha256}',
    function: 'artifacts',
    scopes: ['admin', 'executor'],
    verb: 'deploy',
    bound: 'any',
    summary: 'Where to download a slug',
    status: 200,
  },
} as const satisfies Record<string, EndpointFacts>
