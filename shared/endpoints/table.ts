// Method, path, function and scopes of every endpoint, without schemas: what the client needs, and light to load. One file per noun beside it.
import {accessEndpoints} from './access.ts'
import {agentsEndpoints} from './agents.ts'
import {artifactsEndpoints} from './artifacts.ts'
import {backupsEndpoints} from './backups.ts'
import type {EndpointFacts} from './endpoint.ts'
import {executorsEndpoints} from './executors.ts'
import {formationsEndpoints} from './formations.ts'
import {instancesEndpoints} from './instances.ts'
import {logsEndpoints} from './logs.ts'
import {registryEndpoints} from './registry.ts'
import {releasesEndpoints} from './releases.ts'
import {routingEndpoints} from './routing.ts'
import {scaleEndpoints} from './scale.ts'
import {secretsEndpoints} from './secrets.ts'
import {sessionsEndpoints} from './sessions.ts'
import {trustsEndpoints} from './trusts.ts'
import {typesEndpoints} from './types.ts'
import {volumesEndpoints} from './volumes.ts'

export const endpointTable = {
  ...formationsEndpoints,
  ...releasesEndpoints,
  ...scaleEndpoints,
  ...instancesEndpoints,
  ...executorsEndpoints,
  ...registryEndpoints,
  ...routingEndpoints,
  ...artifactsEndpoints,
  ...agentsEndpoints,
  ...logsEndpoints,
  ...accessEndpoints,
  ...secretsEndpoints,
  ...trustsEndpoints,
  ...sessionsEndpoints,
  ...volumesEndpoints,
  ...typesEndpoints,
  ...backupsEndpoints,
} as const satisfies Record<string, EndpointFacts>

export type EndpointName = keyof typeof endpointTable
