// Endpoints of the service registry and its discovery feed.
import {announcementBytesMax} from '../domain/registry.ts'
import type {Scope} from '../scopes.ts'
import type {EndpointFacts} from './endpoint.ts'

const registry: readonly Scope[] = ['admin', 'registry']

export const registryEndpoints = {
  getRegistry: {
    method: 'GET',
    path: '/v1/registry/{formation}',
    function: 'registry',
    scopes: registry,
    verb: 'read',
    summary: 'Everything alive in a formation',
    status: 200,
  },
  getAnnouncement: {
    method: 'GET',
    path: '/v1/registry/{formation}/{name}',
    function: 'registry',
    scopes: registry,
    verb: 'read',
    summary: 'One live entry',
    status: 200,
  },
  announce: {
    method: 'PUT',
    path: '/v1/registry/{formation}/{name}',
    function: 'registry',
    scopes: registry,
    verb: 'run',
    summary: 'Announce or renew an entry',
    bodyBytesMax: announcementBytesMax,
    status: 200,
  },
  withdraw: {
    method: 'DELETE',
    path: '/v1/registry/{formation}/{name}',
    function: 'registry',
    scopes: registry,
    verb: 'run',
    summary: 'Withdraw an entry',
    status: 204,
  },
  discover: {
    method: 'POST',
    path: '/v1/discovery',
    function: 'registry',
    scopes: ['admin', 'discovery'],
    summary: 'Versions in, changes out: the feed of router and proxy',
    status: 200,
    idempotency: 'natural',
  },
} as const satisfies Record<string, EndpointFacts>
