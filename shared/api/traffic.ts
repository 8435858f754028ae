// Requests and responses about traffic choices: which release of a service answers.
import {z} from 'zod'
import {trafficMatchesMax, trafficReleasesMax, trafficValueCharactersMax, trafficWeightMax} from '../domain/traffic.ts'
import {CookieName, HeaderName, ReleaseNumber, ServiceName} from './fields.ts'

const Value = z.string().min(1).max(trafficValueCharactersMax)
const to = {value: Value.describe('compared as a whole'), release: ReleaseNumber}

export const SetTraffic = z
  .strictObject({
    weights: z
      .record(z.string().regex(/^[1-9][0-9]{0,8}$/, 'the number of a release'), z.int().min(0).max(trafficWeightMax))
      .refine(weights => Object.keys(weights).length <= trafficReleasesMax, `at most ${trafficReleasesMax} releases`)
      .refine(weights => Object.values(weights).some(weight => weight > 0), 'at least one weight must be above 0')
      .describe('release → its weight relative to the others'),
    matches: z
      .array(z.union([z.strictObject({header: HeaderName, ...to}), z.strictObject({cookie: CookieName, ...to})]))
      .max(trafficMatchesMax)
      .default([])
      .describe('requests with this header or cookie go to this release; the first that fits counts, before weights'),
    by: z
      .union([z.strictObject({header: HeaderName}), z.strictObject({cookie: CookieName})])
      .optional()
      .describe('what tells users apart: one user stays with one release'),
  })
  .meta({id: 'SetTraffic'})
export const Traffic = SetTraffic.meta({id: 'Traffic'})
export const ServiceTraffic = z
  .strictObject({service: ServiceName, chosen: z.boolean().describe('false: every live instance gets its share'), ...SetTraffic.shape})
  .extend({weights: z.record(z.string(), z.int())})
  .meta({id: 'ServiceTraffic'})
