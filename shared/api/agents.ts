// What operators and agents say of the agents' own programs.
import {z} from 'zod'
import {At, Sha256, Slug} from './fields.ts'

const refusalCharactersMax = 512

export const RingName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,39}$/, 'lower-case letters, digits and dashes, at most 40, starting with a letter')
  .meta({id: 'RingName'})
/** What an agent says of itself. */
export const AgentProgram = z
  .strictObject({
    version: z
      .string()
      .regex(/^([0-9a-f]{64}|source)$/, 'a SHA-256, or source')
      .describe('SHA-256 of its bundle'),
    ring: RingName,
    installed: z.boolean().describe('it is the one that was installed on the host'),
    launched: z.boolean().describe('a launcher starts it; else it is upgraded by hand'),
    refused: z
      .strictObject({since: At, why: z.string().max(refusalCharactersMax)})
      .optional()
      .describe('the wish of its ring that it can not fulfil'),
  })
  .meta({id: 'AgentProgram'})
/** What a ring wants. */
export const AgentWish = z
  .strictObject({since: At, bundle: Slug.optional().describe('absent for the agent that was installed on each host')})
  .meta({id: 'AgentWish'})
export const AgentRing = z
  .strictObject({
    ...AgentWish.shape,
    ring: RingName,
    former: z.strictObject({bundle: Slug.optional()}).describe('what `undo` goes back to'),
    updatedBy: z.string(),
  })
  .meta({id: 'AgentRing'})
export const UpgradeAgents = z
  .strictObject({
    sha256: Sha256.optional().describe('an artifact that is stored: the bundle'),
    undo: z.boolean().default(false).describe('back to what the ring wanted before'),
  })
  .refine(({sha256, undo}) => undo === (sha256 === undefined), 'takes either sha256 or undo')
  .meta({id: 'UpgradeAgents'})
