// Endpoints of the service registry and its discovery feed.
import * as api from '../api.ts'
import {announcementBytesMax} from '../domain/registry.ts'
import type {Scope} from '../scopes.ts'
import type {Endpoint} from './endpoint.ts'

const formation = {formation: api.FormationName}
const entry = {formation: api.FormationName, name: api.InstanceName}
const registry: readonly Scope[] = ['admin', 'registry']

export const registryEndpoints = {
  getRegistry: {
    method: 'GET',
    path: '/v1/registry/{formation}',
    function: 'registry',
    scopes: registry,
    summary: 'Everything alive in a formation',
    params: formation,
    query: api.RegistryQuery,
    response: api.Registry,
    status: 200,
  },
  getAnnouncement: {
    method: 'GET',
    path: '/v1/registry/{formation}/{name}',
    function: 'registry',
    scopes: registry,
    summary: 'One live entry',
    params: entry,
    query: api.RegistryQuery,
    response: api.Announcement,
    status: 200,
  },
  announce: {
    method: 'PUT',
    path: '/v1/registry/{formation}/{name}',
    function: 'registry',
    scopes: registry,
    summary: 'Announce or renew an entry',
    params: entry,
    query: api.AnnounceQuery,
    request: api.Announcement,
    bodyBytesMax: announcementBytesMax,
    response: api.Announcement,
    status: 200,
  },
  withdraw: {
    method: 'DELETE',
    path: '/v1/registry/{formation}/{name}',
    function: 'registry',
    scopes: registry,
    summary: 'Withdraw an entry',
    params: entry,
    status: 204,
  },
  discover: {
    method: 'POST',
    path: '/v1/discovery',
    function: 'registry',
    scopes: ['admin', 'discovery'],
    summary: 'Versions in, changes out: the feed of router and proxy',
    request: api.Discover,
    response: api.Discovered,
    status: 200,
    idempotency: 'natural',
  },
} as const satisfies Record<string, Endpoint>
