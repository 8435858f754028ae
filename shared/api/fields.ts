// Names, numbers and small shapes that several nouns of the API share. Owns what one field may hold; no whole request or response.
import {z} from 'zod'
import {isInstanceId, isName, isServiceName, parseInstanceName} from '../domain/names.ts'
import {desiredInstancesMax, requirementsMax} from '../domain/release.ts'

/** Longest that a caller may ask to be held, in milliseconds: below what gateways and proxies cut off. */
export const holdMsMax = 20_000
export const HoldMs = z
  .int()
  .min(0)
  .max(holdMsMax)
  .optional()
  .describe('how long the answer may be held back while it would say nothing new; a home where waiting costs money answers at once')

export const QuietMs = z
  .int()
  .min(0)
  .optional()
  .describe('for how long the caller has heard of nothing new; the longer, the later it is asked to call again')

export const FormationName = z
  .string()
  .refine(isName, 'a lower-case name: letters, digits and dashes, at most 40, starting with a letter')
  .meta({id: 'FormationName'})
export const ServiceName = z
  .string()
  .refine(isServiceName, 'a lower-case name: letters, digits and dashes, at most 40, starting with a letter or one underscore')
  .meta({id: 'ServiceName'})
export const ExecutorName = z
  .string()
  .refine(isName, 'a lower-case name: letters, digits and dashes, at most 40, starting with a letter')
  .meta({id: 'ExecutorName'})
export const InstanceId = z.string().refine(isInstanceId, 'lower-case letters, digits and dashes, at most 40').meta({id: 'InstanceId'})
export const InstanceName = z
  .string()
  .refine(text => parseInstanceName(text) !== undefined, 'of the form SERVICE.INSTANCE')
  .meta({id: 'InstanceName'})
export const HeaderName = z
  .string()
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/, 'the name of a header')
  .toLowerCase()
export const CookieName = z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/, 'the name of a cookie')
export const Port = z.int().min(1).max(65_535)
export const At = z.int().nonnegative().describe('milliseconds since the epoch')
export const EnvName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'letters, digits and underscores, not starting with a digit')
export const Env = z.record(EnvName, z.string().max(16_384)).meta({id: 'Env'})
export const ImageDigest = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'sha256: and 64 lower-case hexadecimal digits')
export const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, '64 lower-case hexadecimal digits')
export const TokenId = z
  .string()
  .regex(/^[0-9a-f]{16}$/, '16 hexadecimal digits')
  .meta({id: 'TokenId'})
export const Expression = z.string().min(1).max(1_024)
export const ReleaseNumber = z.int().min(1)

export const Resources = z
  .strictObject({cpuMilli: z.int().min(0).max(1_024_000), memoryMib: z.int().min(0).max(16_777_216)})
  .meta({id: 'Resources'})
export const Args = z.array(z.string().max(4_096)).max(64)
export const Program = z.strictObject({
  name: z.string().min(1).max(64),
  install: z.string().max(256),
  also: z
    .string()
    .regex(/^\/[A-Za-z0-9_.*/-]{1,255}$/)
    .optional()
    .describe('folders looked into besides the PATH'),
})
export const Limits = z
  .strictObject({pidsMax: z.int().min(1).max(4_194_304), filesMax: z.int().min(16).max(1_048_576)})
  .meta({id: 'Limits'})
export const User = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,31})?$/, '`UID`, `UID:GID` or names')
export const Volume = z.strictObject({path: z.string().regex(/^\/[A-Za-z0-9_./-]{1,255}$/, 'an absolute path')}).meta({id: 'Volume'})
export const OnLost = z
  .strictObject({action: z.enum(['replace', 'keep', 'stop']), afterMs: z.int().min(0).max(86_400_000)})
  .meta({id: 'OnLost'})
export const Slug = z.strictObject({sha256: Sha256, bytes: z.int().min(1)})
/** How a service is run, besides its `script` and `image`; releases and assignments say it alike. */
export const RunOptions = {
  imageArchive: Slug.optional().describe('the image itself, gzipped as `docker save` writes it; `image` is its id'),
  args: Args.optional(),
  program: Program.optional(),
  limits: Limits.optional(),
  readOnly: z.boolean().optional(),
  user: User.optional(),
  volume: Volume.optional(),
  onLost: OnLost.optional(),
}
export const PortDefinition = z.strictObject({port: Port, hostPort: Port.optional()}).meta({id: 'PortDefinition'})
export const HealthCheck = z
  .strictObject({
    http: z.string().startsWith('/').max(1_024).optional(),
    tcp: z.boolean().optional(),
    port: Port.optional(),
    intervalMs: z.int().min(100).max(300_000),
    timeoutMs: z.int().min(100).max(60_000),
    startTimeoutMs: z.int().min(1_000).max(3_600_000),
  })
  .meta({id: 'HealthCheck'})
export const Placement = {requirements: z.array(Expression).max(requirementsMax), rank: Expression.optional()}
export const Scales = z.record(ServiceName, z.int().min(0).max(desiredInstancesMax))
const addressPortsMax = 64
export const Address = z.strictObject({
  host: z.string().min(1).max(255),
  ports: z
    .record(z.string().regex(/^[0-9]{1,5}$/), Port)
    .refine(all => Object.keys(all).length <= addressPortsMax, `at most ${addressPortsMax} ports`),
})
/** Every list travels as `{items: […]}`. */
export const list = <T extends z.ZodType>(item: T) => z.strictObject({items: z.array(item)})

export const NumberText = z.string().regex(/^[0-9]{1,15}$/, 'a whole number')
export const ReleaseParameter = z.union([NumberText, z.literal('latest')])
