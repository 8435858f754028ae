// What travels in each call of the endpoint table: path parameters, query, body and answer. tsc sees to it that it fits the table.
import * as api from '../api.ts'
import type {SchemasOf} from './endpoint.ts'
import type {EndpointName, endpointTable} from './table.ts'

const executor = {executor: api.ExecutorName}
const formation = {formation: api.FormationName}
const service = {...formation, service: api.ServiceName}
const entry = {formation: api.FormationName, name: api.InstanceName}

export const endpointSchemas = {
  createFormation: {request: api.CreateFormation, response: api.Formation},
  listFormations: {response: api.list(api.Formation)},
  getFormation: {params: formation, response: api.Formation},
  destroyFormation: {params: formation, response: api.Formation},
  createRelease: {params: formation, request: api.CreateRelease, response: api.Release},
  listReleases: {params: formation, response: api.list(api.ReleaseSummary)},
  getRelease: {params: {...formation, release: api.ReleaseParameter}, response: api.Release},
  getEnv: {params: formation, response: api.Environment},
  changeEnv: {params: formation, request: api.ChangeEnv, response: api.Release},
  getScale: {params: formation, response: api.list(api.Scale)},
  setScale: {params: formation, request: api.SetScale, response: api.list(api.Scale)},
  createRollout: {params: formation, request: api.CreateRollout, response: api.Rollout},
  getRollout: {params: {...formation, release: api.ReleaseParameter}, response: api.Rollout},
  listInstances: {params: formation, query: api.InstancesQuery, response: api.list(api.Instance)},
  getInstance: {params: {...formation, instance: api.InstanceId}, response: api.Instance},
  spawnInstance: {params: formation, request: api.SpawnInstance, response: api.Instance},
  stopInstance: {params: {...formation, instance: api.InstanceId}, response: api.Instance},
  explain: {
    params: {...formation, target: api.ServiceName.or(api.InstanceName).or(api.InstanceId)},
    query: api.ExplainQuery,
    response: api.Explanation,
  },
  joinExecutor: {request: api.JoinRequest, response: api.Joined},
  syncExecutor: {params: executor, request: api.Sync, response: api.Synced},
  listExecutors: {response: api.list(api.Executor)},
  getExecutor: {params: executor, response: api.Executor},
  drainExecutor: {params: executor, request: api.DrainExecutor, response: api.Executor},
  forgetExecutor: {params: executor},
  getRegistry: {params: formation, query: api.RegistryQuery, response: api.Registry},
  getAnnouncement: {params: entry, query: api.RegistryQuery, response: api.Announcement},
  announce: {params: entry, query: api.AnnounceQuery, request: api.Announcement, response: api.Announcement},
  withdraw: {params: entry},
  discover: {request: api.Discover, response: api.Discovered},
  listRoutes: {response: api.list(api.RouteView)},
  createRoute: {request: api.CreateRoute, response: api.RouteView},
  getRoute: {params: {route: api.FormationName}, response: api.RouteView},
  changeRoute: {params: {route: api.FormationName}, request: api.ChangeRoute, response: api.RouteView},
  deleteRoute: {params: {route: api.FormationName}},
  getTraffic: {params: service, response: api.ServiceTraffic},
  setTraffic: {params: service, request: api.SetTraffic, response: api.ServiceTraffic},
  resetTraffic: {params: service},
  createArtifact: {request: api.CreateArtifact, response: api.Artifact},
  getArtifact: {params: {sha256: api.Sha256}, response: api.Artifact},
  getLogs: {params: formation, query: api.LogsQuery, response: api.LogPage},
  createToken: {request: api.CreateToken, response: api.Token},
  listTokens: {response: api.list(api.Token)},
  revokeToken: {params: {token: api.TokenId}},
  createTrust: {request: api.CreateTrust, response: api.Trust},
  listTrusts: {response: api.list(api.Trust)},
  deleteTrust: {params: {trust: api.TrustName}},
  exchangeToken: {request: api.ExchangeToken, response: api.Token},
  getLogin: {response: api.Login},
  getAudit: {query: api.AuditQuery, response: api.AuditPage},
  getHealth: {response: api.Health},
  getOpenapi: {response: api.OpenapiDocument},
} as const satisfies {[N in EndpointName]: SchemasOf<(typeof endpointTable)[N]>}
