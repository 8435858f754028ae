// Requests and responses about releases, their services and environment.
import {z} from 'zod'
import {desiredInstancesMax, servicesPerReleaseMax} from '../domain/release.ts'
import {BackupSchedule} from './backups.ts'
import {
  At,
  Env,
  EnvName,
  FormationName,
  HealthCheck,
  ImageDigest,
  Placement,
  PortDefinition,
  ReleaseNumber,
  Resources,
  RunOptions,
  ServiceName,
  Sha256,
  Slug,
} from './fields.ts'

const BackupCommand = z.string().min(1).max(4_096)

export const ServiceDefinition = z
  .strictObject({
    kind: z.enum(['process', 'auxiliary']),
    type: z.string().max(64).optional(),
    script: z.string().min(1).max(4_096).optional(),
    image: z.string().min(1).max(512).optional(),
    ...RunOptions,
    injects: z
      .record(EnvName, z.string().max(1_024))
      .optional()
      .describe('variables that services which require this one get; `{host}` and `{port}` stand for its address'),
    backup: z
      .strictObject({dump: BackupCommand, restore: BackupCommand, verify: BackupCommand})
      .optional()
      .describe('shell commands of its type; dumps go out on standard output, and come in on standard input'),
    backupSchedule: BackupSchedule.optional().describe('backups are made by themselves; takes a `backup`'),
    parameters: z.record(z.string().max(64), z.string().max(1_024)).optional().describe('what an auxiliary’s type lets one choose'),
    origin: z
      .strictObject({from: z.string().max(1_024), sha256: Sha256})
      .optional()
      .describe('where the type was from that says how it is run; a service that says so itself has none'),
    bare: z.boolean().optional().describe('instances get no slug'),
    ports: z.array(PortDefinition).max(16),
    env: Env,
    scale: z.int().min(0).max(desiredInstancesMax),
    health: HealthCheck.optional(),
    resources: Resources,
    ...Placement,
    requires: z.array(ServiceName).max(64),
    stopGraceMs: z.int().min(0).max(3_600_000),
  })
  .meta({id: 'ServiceDefinition'})
const Services = z
  .record(ServiceName, ServiceDefinition)
  .refine(all => Object.keys(all).length <= servicesPerReleaseMax, `at most ${servicesPerReleaseMax} services`)
export const CreateRelease = z
  .strictObject({
    message: z.string().max(1_024).optional(),
    author: z.string().max(256).optional(),
    slug: Slug.optional(),
    env: Env.default({}),
    services: Services,
  })
  .meta({id: 'CreateRelease'})
export const Release = z
  .strictObject({
    formation: FormationName,
    release: ReleaseNumber,
    message: z.string().optional(),
    author: z.string().optional(),
    createdAt: At,
    slug: Slug.optional(),
    env: Env,
    services: Services,
    pins: z
      .record(z.string().max(512), ImageDigest)
      .optional()
      .describe('by the name of an image: what its tag means in this release, found out when the first of its instances was to start'),
  })
  .meta({id: 'Release'})
export const ReleaseSummary = z
  .strictObject({
    release: ReleaseNumber,
    message: z.string().optional(),
    author: z.string().optional(),
    createdAt: At,
    services: z.array(ServiceName),
  })
  .meta({id: 'ReleaseSummary'})
const EnvChange = {set: Env.default({}), unset: z.array(EnvName).default([])}
export const ChangeEnv = z
  .strictObject({
    ...EnvChange,
    services: z
      .record(ServiceName, z.strictObject(EnvChange))
      .default({})
      .describe('changes of single services’ environments; `set` and `unset` beside it are for the whole release'),
    message: z.string().max(1_024).optional(),
    author: z.string().max(256).optional(),
  })
  .meta({id: 'ChangeEnv'})
export const Environment = z
  .strictObject({release: ReleaseNumber, env: Env, services: z.record(ServiceName, Env)})
  .meta({id: 'Environment'})
