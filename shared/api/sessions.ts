// Requests and responses about one-off work: commands in instances, commands of their own, lines as they are written.
import {z} from 'zod'
import {commandCharactersMax, commandPartsMax} from '../domain/session.ts'
import {terminalCellsMax} from '../sessions/frames.ts'
import {At, ExecutorName, FormationName, InstanceId, NumberText, ReleaseNumber, ServiceName} from './fields.ts'
import {Instance} from './instances.ts'

const cells = z.int().min(1).max(terminalCellsMax)
const Terminal = z.strictObject({columns: cells, rows: cells}).meta({id: 'Terminal'})
const Command = z
  .array(
    z
      .string()
      .max(commandCharactersMax)
      .refine(text => !text.includes('\0'), 'no NUL'),
  )
  .min(1)
  .max(commandPartsMax)
  .refine(parts => parts[0] !== '', 'the program has a name')
  .refine(parts => parts.reduce((sum, part) => sum + part.length, 0) <= commandCharactersMax, `at most ${commandCharactersMax} characters`)
  .describe('program and arguments; no shell reads them')

const SessionId = z.string().regex(/^[0-9a-f]{32}$/, '32 hexadecimal digits')
const relay = z.string().describe('`ws:` or `wss:` URL of the relay')
const ticket = z.string().describe('lets one side in, once, within a minute')

export const SessionTicket = z
  .strictObject({id: SessionId, relay, ticket, until: At.describe('when it is over at the latest')})
  .meta({id: 'SessionTicket'})
export const ExecInstance = z
  .strictObject({command: Command, terminal: Terminal.optional().describe('the command gets a terminal of this size')})
  .meta({id: 'ExecInstance'})
export const RunService = z
  .strictObject({
    service: ServiceName,
    release: ReleaseNumber.optional().describe('the latest by default'),
    command: Command,
    terminal: Terminal.optional().describe('the command gets a terminal of this size'),
    detach: z.boolean().default(false).describe('nobody is attached: what it writes is found in the logs'),
    executor: ExecutorName.optional().describe('only on this executor'),
  })
  .meta({id: 'RunService'})
export const Run = z.strictObject({instance: Instance, session: SessionTicket.optional()}).meta({id: 'Run'})
export const FollowLogs = z
  .strictObject({executor: ExecutorName.describe('whose lines'), service: ServiceName.optional(), instance: InstanceId.optional()})
  .meta({id: 'FollowLogs'})
export const RelayKeys = z
  .strictObject({keys: z.array(z.strictObject({kid: z.string(), kty: z.string(), crv: z.string(), x: z.string()}))})
  .meta({id: 'RelayKeys'})

export const RevokedQuery = z.strictObject({since: NumberText.describe('milliseconds since the epoch')})
export const RevokedTokens = z
  .strictObject({tokens: z.array(z.string()), at: At.describe('to ask from the next time')})
  .meta({id: 'RevokedTokens'})

const line = {id: SessionId, relay, until: At, terminal: Terminal.optional(), ticket}
/** Of an assignment. */
export const AssignedRun = z
  .strictObject({command: z.array(z.string()), attached: z.boolean(), line: z.strictObject(line).optional()})
  .meta({id: 'AssignedRun'})
/** Of a sync. */
export const AssignedSession = z
  .strictObject({
    ...line,
    kind: z.enum(['exec', 'logs']),
    formation: FormationName,
    service: ServiceName.optional(),
    instance: InstanceId.optional(),
    command: z.array(z.string()).optional(),
  })
  .meta({id: 'AssignedSession'})
