// Requests and responses of the service registry and the discovery feed.
import {z} from 'zod'
import {FormationName, HoldMs, InstanceId, InstanceName, Port, QuietMs, ReleaseNumber, ServiceName} from './fields.ts'
import {RouteView} from './routes.ts'
import {Traffic} from './traffic.ts'

export const Announcement = z
  .record(z.string(), z.unknown())
  .describe('any JSON object of at most 8,192 bytes; `host` and `port` (or `ports`) make it callable')
  .meta({id: 'Announcement'})
export const Registry = z.record(InstanceName, Announcement).meta({id: 'Registry'})
const Endpoint = z.strictObject({
  service: ServiceName,
  id: InstanceId,
  host: z.string(),
  ports: z.record(z.string(), Port),
  release: ReleaseNumber.optional(),
  executor: z.string().optional(),
  zone: z.string().optional(),
  expiresInMs: z.int().optional().describe('set for announcements from outside the platform'),
})
export const Discover = z
  .strictObject({
    formations: z
      .record(FormationName, z.int().min(0))
      .refine(held => Object.keys(held).length <= 1_000, 'at most 1000 formations')
      .describe('the version held of each formation; 0 for none'),
    routes: z.int().min(0).optional().describe('the version held of the routing table; leave out when routes are of no interest'),
    holdMs: HoldMs,
    quietMs: QuietMs,
  })
  .meta({id: 'Discover'})
const FormationState = z.strictObject({
  version: z.int(),
  endpoints: z.array(Endpoint),
  traffic: z.record(ServiceName, Traffic).optional().describe('services whose owner has chosen which release answers'),
})
export const Discovered = z
  .strictObject({
    formations: z.record(FormationName, FormationState).describe('those that changed'),
    routes: z
      .strictObject({version: z.int(), routes: z.array(RouteView)})
      .optional()
      .describe('when the table changed'),
    nextPollMs: z.int(),
  })
  .meta({id: 'Discovered'})

export const AnnounceQuery = z.strictObject({
  ttl: z
    .string()
    .regex(/^[0-9]{1,6}$/, 'whole seconds')
    .optional()
    .describe('seconds the entry lives unless announced again; 30 by default, at most 86400'),
})
export const RegistryQuery = z.strictObject({pretty: z.string().optional().describe('indents the answer')})
