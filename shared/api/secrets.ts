// Requests and responses about secrets. Values go in and never come out.
import {z} from 'zod'
import {isName} from '../domain/names.ts'
import {At} from './fields.ts'

/** As an environment variable’s value. */
export const secretCharactersMax = 16_384
export const SecretName = z
  .string()
  .refine(isName, 'a lower-case name: letters, digits and dashes, at most 40, starting with a letter')
  .meta({id: 'SecretName'})
export const SetSecret = z.strictObject({value: z.string().min(1).max(secretCharactersMax)}).meta({id: 'SetSecret'})
export const Secret = z.strictObject({name: z.string(), version: z.int(), updatedAt: At, updatedBy: z.string()}).meta({id: 'Secret'})
export const SecretSet = z
  .strictObject({...Secret.shape, replacing: z.int().describe('instances that run with the former value, and are replaced one by one')})
  .meta({id: 'SecretSet'})
