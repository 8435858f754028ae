// Requests and responses about tokens and the platform’s own health.
import {z} from 'zod'
import {scopes, verbs} from '../scopes.ts'
import {At, FormationName} from './fields.ts'

export const tokenTtlSecondsMax = 366 * 86_400
const Verbs = z.array(z.enum(verbs)).min(1).max(verbs.length).describe('what a token of scope `user` may do')
const Uses = z.int().min(1).max(10_000).describe('how many executors it may join; only with scope `join`, without limit by default')
const Formations = z.array(FormationName).min(1).max(50).describe('bound to these; only with scope `user` or `registry`')

export const CreateToken = z
  .strictObject({
    name: z.string().min(1).max(64),
    scope: z.enum(scopes),
    verbs: Verbs.optional(),
    formations: Formations.optional(),
    uses: Uses.optional(),
    ttlSeconds: z
      .int()
      .min(60)
      .max(tokenTtlSecondsMax)
      .default(30 * 86_400)
      .describe('shortened to the end of the token that asks, unless that is an admin’s'),
  })
  .meta({id: 'CreateToken'})
export const Token = z
  .strictObject({
    id: z.string(),
    name: z.string(),
    scope: z.enum(scopes),
    verbs: Verbs.optional(),
    formations: Formations.optional(),
    executor: z.string().optional(),
    uses: Uses.optional(),
    usesLeft: z.int().min(0).optional(),
    parent: z.string().optional().describe('the token that made it, and takes it along when it is revoked'),
    trust: z.string().optional().describe('the trust it was given under, and goes with'),
    createdAt: At,
    expiresAt: At,
    lastUsedAt: At.optional().describe('to within an hour'),
    token: z.string().optional().describe('the secret; only in the answer that creates it'),
  })
  .meta({id: 'Token'})
export const Health = z.strictObject({ok: z.boolean(), stage: z.string(), version: z.string()}).meta({id: 'Health'})
export const OpenapiDocument = z.looseObject({openapi: z.string()}).meta({id: 'OpenapiDocument'})
