// Requests and responses about formations.
import {z} from 'zod'
import {At, FormationName} from './fields.ts'

export const CreateFormation = z.strictObject({name: FormationName}).meta({id: 'CreateFormation'})
export const Formation = z
  .strictObject({name: FormationName, state: z.enum(['active', 'destroying']), createdAt: At, latestRelease: z.int().min(0)})
  .meta({id: 'Formation'})
