// Requests and responses about tokens and the platform’s own health.
import {z} from 'zod'
import {scopes} from '../scopes.ts'
import {At, FormationName} from './fields.ts'

export const CreateToken = z
  .strictObject({
    name: z.string().min(1).max(64),
    scope: z.enum(scopes),
    formation: FormationName.optional(),
    ttlSeconds: z
      .int()
      .min(60)
      .max(366 * 86_400)
      .default(30 * 86_400),
  })
  .meta({id: 'CreateToken'})
export const Token = z
  .strictObject({
    id: z.string(),
    name: z.string(),
    scope: z.enum(scopes),
    formation: z.string().optional(),
    executor: z.string().optional(),
    createdAt: At,
    expiresAt: At,
    token: z.string().optional().describe('the secret; only in the answer that creates it'),
  })
  .meta({id: 'Token'})
export const Health = z.strictObject({ok: z.boolean(), stage: z.string(), version: z.string()}).meta({id: 'Health'})
export const OpenapiDocument = z.looseObject({openapi: z.string()}).meta({id: 'OpenapiDocument'})
