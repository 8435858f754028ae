// Requests and responses about routes.
import {z} from 'zod'
import {isName} from '../domain/names.ts'
import {FormationName} from './fields.ts'
import {RouteOptions} from './route-options.ts'

export const RouteView = z
  .strictObject({
    name: z.string(),
    domain: z.string(),
    path: z.string(),
    target: z.string(),
    formation: z.string().optional(),
    options: RouteOptions.optional(),
  })
  .meta({id: 'Route'})
export const CreateRoute = z
  .strictObject({
    name: z.string().refine(isName, 'a lower-case name').optional().describe('made from domain and path by default'),
    domain: z.string().min(1).max(255).default('*'),
    path: z.string().startsWith('/').max(1_024),
    target: z.string().min(1).max(1_024),
    formation: FormationName.optional(),
    options: RouteOptions.optional(),
  })
  .meta({id: 'CreateRoute'})
export const ChangeRoute = z
  .strictObject({
    target: z.string().min(1).max(1_024),
    options: RouteOptions.optional().describe('replace the present ones; none when absent'),
  })
  .meta({id: 'ChangeRoute'})
