// Requests and responses about the audit.
import {z} from 'zod'
import {scopes} from '../scopes.ts'
import {At, FormationName, NumberText} from './fields.ts'

export const AuditQuery = z.strictObject({
  formation: FormationName.optional().describe('the whole stage without it'),
  since: NumberText.optional().describe('milliseconds since the epoch'),
  until: NumberText.optional().describe('milliseconds since the epoch'),
  cursor: z
    .string()
    .regex(/^[0-9]{15}#[0-9a-f]{16}$/, 'the cursor of an earlier answer')
    .optional(),
  limit: NumberText.optional().describe('entries, at most 1000; 100 by default'),
})
export const AuditEntry = z
  .strictObject({
    id: z.string(),
    at: At,
    who: z.strictObject({name: z.string(), scope: z.enum(scopes).optional(), token: z.string().optional()}),
    action: z.string().describe('`scale.set`'),
    formation: z.string().optional(),
    what: z.string(),
    from: z.unknown().describe('as it was just before, where it was anything'),
    to: z.unknown().describe('what it became, where it is anything'),
    requestId: z.string(),
  })
  .partial({from: true, to: true})
  .meta({id: 'AuditEntry'})
export const AuditPage = z
  .strictObject({
    items: z.array(AuditEntry),
    cursor: z.string().optional().describe('pass as `cursor` to get what came before; absent at the end'),
  })
  .meta({id: 'AuditPage'})
