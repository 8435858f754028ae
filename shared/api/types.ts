// Requests and responses about types of backing services.
import {z} from 'zod'
import {isName} from '../domain/names.ts'
import {At, Sha256} from './fields.ts'

export const TypeName = z
  .string()
  .refine(isName, 'a lower-case name: letters, digits and dashes, at most 40, starting with a letter')
  .meta({id: 'TypeName'})
export const SetType = z
  .strictObject({text: z.string().min(1).max(65_536).describe('its file, in YAML; `type` in it is the name in the path')})
  .meta({id: 'SetType'})
export const TypeSummary = z
  .strictObject({
    type: TypeName,
    about: z.string(),
    from: z.enum(['builtin', 'stage']),
    sha256: Sha256.describe('of its file'),
    ports: z.array(z.int()).optional().describe('that callers use'),
    volume: z.enum(['yes', 'when asked for', 'no']).optional().describe('whether it keeps its data in one'),
    backup: z.boolean().optional().describe('whether it says how it is backed up'),
    parameters: z.array(z.string()).optional().describe('what a manifest may choose'),
    updatedAt: At.optional().describe('of a stage’s own'),
  })
  .meta({id: 'TypeSummary'})
export const TypeFile = z.strictObject({...TypeSummary.shape, text: z.string()}).meta({id: 'TypeFile'})
