// The OpenAPI 3.1 document of the HTTP API, made from the endpoint table. Not for Lambda bundles: the document is made once and passed in.
import {z} from 'zod'
import {createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject} from 'zod-openapi'
import {type Endpoint, endpoints, type OutputOf} from './endpoints.ts'
import {errorCodes} from './errors.ts'
import {scopes} from './scopes.ts'

export type OpenapiDocument = OutputOf<'getOpenapi'>

const Problem = z
  .strictObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.enum(Object.keys(errorCodes) as [string, ...string[]]),
    detail: z.string(),
    errors: z.array(z.strictObject({path: z.string(), message: z.string()})).optional(),
    requestId: z.string().optional(),
  })
  .meta({id: 'Problem', description: 'RFC 9457; `code` is stable, `detail` says what, which and what next.'})

const IdempotencyKey = z.string().max(128).optional().describe('a repeat with the same key within 24 hours gets the first answer again')

const json = (schema: z.ZodType) => ({'application/json': {schema}})

const parametersOf = (endpoint: Endpoint): Pick<ZodOpenApiOperationObject, 'requestParams'> => {
  const path = endpoint.params === undefined ? {} : {path: z.strictObject(endpoint.params)}
  const query = endpoint.query === undefined ? {} : {query: endpoint.query as z.ZodObject}
  const header = endpoint.idempotency === 'keyed' ? {header: z.object({'Idempotency-Key': IdempotencyKey})} : {}
  const requestParams = {...path, ...query, ...header}
  return Object.keys(requestParams).length === 0 ? {} : {requestParams}
}

const operationOf = (name: string, endpoint: Endpoint): ZodOpenApiOperationObject => ({
  operationId: name,
  summary: endpoint.summary,
  tags: [endpoint.function],
  security:
    endpoint.scopes === 'public' ? [] : [{token: [...endpoint.scopes, ...(endpoint.verb === undefined ? [] : [`user:${endpoint.verb}`])]}],
  ...parametersOf(endpoint),
  ...(endpoint.request === undefined ? {} : {requestBody: {required: true, content: json(endpoint.request)}}),
  responses: {
    [`${endpoint.status}`]: {
      description: endpoint.summary,
      ...(endpoint.response === undefined ? {} : {content: json(endpoint.response)}),
    },
    default: {description: 'What went wrong', content: {'application/problem+json': {schema: Problem}}},
  },
})

/** Makes the document. `version` is the API's own; `server` the URL it is served under, when known. */
export const createOpenapi = ({version, server}: {readonly version: string; readonly server?: string}): OpenapiDocument => {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {}
  for (const [name, endpoint] of Object.entries<Endpoint>(endpoints)) {
    paths[endpoint.path] = {...paths[endpoint.path], [endpoint.method.toLowerCase()]: operationOf(name, endpoint)}
  }
  const document = createDocument({
    openapi: '3.1.1',
    info: {
      title: 'Gilliam',
      version,
      description: 'Runs systems made of many small services on machines you own.',
      license: {name: 'Apache-2.0', identifier: 'Apache-2.0'},
    },
    ...(server === undefined ? {} : {servers: [{url: server}]}),
    paths: paths as ZodOpenApiPathsObject,
    components: {
      securitySchemes: {token: {type: 'http', scheme: 'bearer', description: `A token of scope ${scopes.join(', ')}.`}},
    },
  })
  return {...document}
}
