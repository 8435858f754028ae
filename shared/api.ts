// Request and response schemas of the HTTP API: validation, types and OpenAPI in one. Strict: unknown keys are refused. One file per noun in api/.

export {CreateToken, Health, OpenapiDocument, Token} from './api/access.ts'
export {AgentRing, RingName, UpgradeAgents} from './api/agents.ts'
export {Artifact, CreateArtifact, slugBytesMax} from './api/artifacts.ts'
export {AuditPage, AuditQuery} from './api/audit.ts'
export {Backup, BackupList, BackupUpload, CreateBackup, NoteBackup, ReportBackup, UploadBackup} from './api/backups.ts'
export {
  CordonExecutor,
  DrainExecutor,
  Executor,
  ExecutorInstance,
  Fetch,
  JoinByRole,
  Joined,
  JoinRequest,
  Sync,
  Synced,
} from './api/executors.ts'
export {
  ExecutorName,
  FormationName,
  holdMsMax,
  InstanceId,
  InstanceName,
  list,
  ReleaseParameter,
  ServiceName,
  Sha256,
  TokenId,
} from './api/fields.ts'
export {CreateFormation, Formation} from './api/formations.ts'
export {ExplainQuery, Explanation, Instance, InstancesQuery, SpawnInstance} from './api/instances.ts'
export {LogPage, LogsQuery} from './api/logs.ts'
export {Announcement, AnnounceQuery, Discover, Discovered, Registry, RegistryQuery} from './api/registry.ts'
export {ChangeEnv, CreateRelease, Environment, Release, ReleaseSummary} from './api/releases.ts'
export {RouteOptions} from './api/route-options.ts'
export {ChangeRoute, CreateRoute, RouteView} from './api/routes.ts'
export {CreateRollout, Rebalance, Rebalanced, Rollout, Scale, SetScale} from './api/scale.ts'
export {Secret, SecretName, SecretSet, SetSecret} from './api/secrets.ts'
export {ExecInstance, FollowLogs, RelayKeys, RevokedQuery, RevokedTokens, Run, RunService, SessionTicket} from './api/sessions.ts'
export {ServiceTraffic, SetTraffic} from './api/traffic.ts'
export {CreateTrust, ExchangeToken, Login, Trust, TrustName} from './api/trusts.ts'
export {SetType, TypeFile, TypeName, TypeSummary} from './api/types.ts'

export const requestBodyBytesMax = 1_048_576
export {ReleaseVolumeQuery, Volume} from './api/volumes.ts'
