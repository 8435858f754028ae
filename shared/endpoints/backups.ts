// Endpoints of backups: what is known of them. Dumps themselves are in the artifact store.
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
    summary: 'List backups, newest first',
    status: 200,
  },
  createBackup: {
    method: 'POST',
    path: '/v1/formations/{formation}/backups/{service}',
    function: 'formations',
    scopes: admin,
    verb: 'exec',
    summary: 'Note an uploaded dump as a backup, and forget the oldest ones beyond those to keep',
    status: 201,
    idempotency: 'keyed',
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
} as const satisfies Record<string, EndpointFacts>
