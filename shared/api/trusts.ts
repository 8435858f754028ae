// Requests and responses about trusts, and what is exchanged for a token under one.
import {z} from 'zod'
import {isName} from '../domain/names.ts'
import {verbs} from '../scopes.ts'
import {exchangedTtlSecondsDefault, loginTtlSecondsMax} from '../trust.ts'
import {At, FormationName} from './fields.ts'

const claimsMax = 10

export const TrustName = z
  .string()
  .refine(isName, 'a lower-case name: letters, digits and dashes, at most 40, starting with a letter')
  .meta({id: 'TrustName'})
const Claims = z
  .record(
    z.string().regex(/^[A-Za-z0-9_.:/-]{1,128}$/, 'the name of a claim'),
    z
      .string()
      .min(1)
      .max(512)
      .regex(/^[^*]+\*?$/, 'text, with “*” at its end at most'),
  )
  .refine(all => Object.keys(all).length >= 1 && Object.keys(all).length <= claimsMax, `1 to ${claimsMax} claims`)

export const CreateTrust = z
  .strictObject({
    name: TrustName,
    issuer: z.url().max(512).describe('exactly as in the `iss` of its id tokens'),
    audience: z.string().min(1).max(512).describe('the `aud` of its id tokens; with `login` the client’s id'),
    claims: Claims.describe('what an id token must say; `*` at the end of a value stands for anything'),
    verbs: z.array(z.enum(verbs)).min(1).max(verbs.length),
    formations: z.array(FormationName).min(1).max(50).optional(),
    ttlSeconds: z.int().min(60).max(loginTtlSecondsMax).default(exchangedTtlSecondsDefault).describe('at most 3600 without `login`'),
    login: z.boolean().default(false).describe('people log in by it: RFC 8628, with `audience` as the client'),
  })
  .meta({id: 'CreateTrust'})
export const Trust = z.strictObject({...CreateTrust.shape, ttlSeconds: z.int(), login: z.boolean(), createdAt: At}).meta({id: 'Trust'})
export const ExchangeToken = z
  .strictObject({
    idToken: z.string().min(1).max(16_384),
    trust: TrustName.optional().describe('needed only when several fit'),
  })
  .meta({id: 'ExchangeToken'})
export const Login = z
  .strictObject({providers: z.array(z.strictObject({trust: z.string(), issuer: z.string(), clientId: z.string()}))})
  .meta({id: 'Login'})
