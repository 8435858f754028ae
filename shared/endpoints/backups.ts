// Endpoints of backups: what is known of them, for people; and for agents, what they make. Dumps themselves are in the artifact store.
import type {Scope} from '../scopes.ts'
import type {EndpointFacts} from './endpoint.ts'

const admin: readonly Scope[] = ['admin']

export const backupsEndpoints = {
  listBackups: {
    method: 'GET',
    path: '/v1/formations/{formation}/backups',
    function: 'formations',
    scopes: admin,
    verb: 'read',
    summary: 'List backups, newest first, and when the next ones are due',
    status: 200,
  },
  createBackup: {
    method: 'POST',
    path: '/v1/formations/{formation}/backups/{service}',
    function: 'formations',
    scopes: admin,
    verb: 'exec',
    summary: 'Have a backup made by the agent of its only running instance; the oldest ones beyond those to keep are forgotten then',
    status: 202,
    idempotency: 'keyed',
  },
  getBackup: {
    method: 'GET',
    path: '/v1/formations/{formation}/backups/{service}/{backup}',
    function: 'artifacts',
    scopes: admin,
    verb: 'exec',
    summary: 'Show a backup, and where its dump can be downloaded',
    status: 200,
  },
  deleteBackup: {
    method: 'DELETE',
    path: '/v1/formations/{formation}/backups/{service}/{backup}',
    function: 'formations',
    scopes: admin,
    verb: 'admin',
    summary: 'Delete a backup and its dump',
    status: 204,
  },
  noteBackup: {
    method: 'PUT',
    path: '/v1/formations/{formation}/backups/{service}/{backup}',
    function: 'formations',
    scopes: admin,
    verb: 'exec',
    summary: 'Note that a backup was restored, or what came of checking it',
    status: 200,
  },
  uploadBackup: {
    method: 'POST',
    path: '/v1/executors/{executor}/backups/{backup}',
    function: 'artifacts',
    scopes: ['executor'],
    summary: 'Where an agent uploads the dump that it was told to make',
    status: 200,
    idempotency: 'natural',
  },
  reportBackup: {
    method: 'PUT',
    path: '/v1/executors/{executor}/backups/{backup}',
    function: 'artifacts',
    scopes: ['executor'],
    summary: 'Report the dump that was uploaded, or why there is none',
    status: 204,
  },
} as const satisfies Record<string, EndpointFacts>
