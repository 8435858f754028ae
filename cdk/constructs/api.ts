// The HTTP API: one route per endpoint of shared/endpoints.ts, each to the function that the table names. Who may call what is decided by the functions'
// own middleware, the same as at home: no authorizer here.

import {AccessLogFormat} from 'aws-cdk-lib/aws-apigateway'
import {CorsHttpMethod, HttpApi, HttpMethod, HttpStage, LogGroupLogDestination} from 'aws-cdk-lib/aws-apigatewayv2'
import {HttpLambdaIntegration} from 'aws-cdk-lib/aws-apigatewayv2-integrations'
import type {ILogGroup} from 'aws-cdk-lib/aws-logs'
import {Construct} from 'constructs'
import {type Endpoint, endpoints, type FunctionName} from '#shared/endpoints.ts'
import type {PlatformFunction} from './platform-function.ts'

/** Requests a second and at once, of all callers together. Agents that sync here do so every 20 s when idle: 1,000 of them take 50 a second. */
const requestsPerSecondMax = 1_000
const burstMax = 2_000

export interface ApiProps {
  readonly stage: string
  readonly functions: ReadonlyMap<string, PlatformFunction>
  readonly accessLog: ILogGroup
  readonly corsOrigins: readonly string[]
}

/** No header and no query: tokens are in one, and names may be in the other. */
const accessLogFormat = {
  requestId: '$context.requestId',
  time: '$context.requestTimeEpoch',
  ip: '$context.identity.sourceIp',
  method: '$context.httpMethod',
  routeKey: '$context.routeKey',
  status: '$context.status',
  bytes: '$context.responseLength',
  tookMs: '$context.responseLatency',
  functionTookMs: '$context.integrationLatency',
  error: '$context.integrationErrorMessage',
  userAgent: '$context.identity.userAgent',
}

const corsOf = (origins: readonly string[]) => ({
  allowOrigins: [...origins],
  allowMethods: [CorsHttpMethod.GET, CorsHttpMethod.POST, CorsHttpMethod.PUT, CorsHttpMethod.DELETE],
  allowHeaders: ['authorization', 'content-type', 'idempotency-key'],
  exposeHeaders: ['x-request-id', 'retry-after'],
})

export class Api extends Construct {
  readonly api: HttpApi
  readonly #url: string

  constructor(scope: Construct, id: string, props: ApiProps) {
    super(scope, id)
    const {stage, functions, accessLog, corsOrigins} = props
    this.api = new HttpApi(this, 'Http', {
      apiName: `gilliam-${stage}`,
      createDefaultStage: false,
      ...(corsOrigins.length > 0 && {corsPreflight: corsOf(corsOrigins)}),
    })
    new HttpStage(this, 'Stage', {
      httpApi: this.api,
      stageName: '$default',
      autoDeploy: true,
      detailedMetricsEnabled: false,
      throttle: {rateLimit: requestsPerSecondMax, burstLimit: burstMax},
      accessLogSettings: {
        destination: new LogGroupLogDestination(accessLog),
        format: AccessLogFormat.custom(JSON.stringify(accessLogFormat)),
      },
    })
    this.#url = this.api.apiEndpoint
    this.#addRoutes(functions)
  }

  /** What agents, router, proxy and people call. */
  get url(): string {
    return this.#url
  }

  #addRoutes(functions: ReadonlyMap<string, PlatformFunction>): void {
    const integrations = new Map<FunctionName, HttpLambdaIntegration>()
    const integrationOf = (name: FunctionName): HttpLambdaIntegration => {
      const fn = functions.get(name)
      if (fn === undefined) throw new Error(`no function ${name}`)
      // One permission for the function rather than one for each of its routes: a resource policy is small.
      const made = integrations.get(name) ?? new HttpLambdaIntegration(name, fn.lambda, {scopePermissionToRoute: false})
      integrations.set(name, made)
      return made
    }
    for (const {method, path, function: name} of Object.values(endpoints) as Endpoint[])
      this.api.addRoutes({path, methods: [HttpMethod[method]], integration: integrationOf(name)})
  }
}
