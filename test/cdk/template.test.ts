// What the templates must say, beyond what any emulator would notice: durability, encryption, who may call what, limits, what happens to failures. And
// golden lists of their resources: a change that nobody meant shows as a changed line. After one that was meant:
// `node --test --test-update-snapshots test/cdk/template.test.ts`.
import assert from 'node:assert/strict'
import {createHash} from 'node:crypto'
import {before, describe, it} from 'node:test'
import {fileURLToPath} from 'node:url'
import {readFargateSettings} from '#agent/ecs/settings.ts'
import {readSettings} from '#agent/settings.ts'
import {functionNames} from '#cdk/bundles.ts'
import {readRelaySettings} from '#proxy/settings.ts'
import {type Endpoint, endpoints} from '#shared/endpoints.ts'
import {readText} from '#test/tidy/source.ts'
import {everything, ofType, type Resource, type Resources, resourcesOf, smallest} from './stage.ts'

/** Endpoints that need no token. Another one here is a decision, not an accident. */
const publicEndpoints = [
  'GET /v1/health',
  'GET /v1/login',
  'GET /v1/openapi.json',
  'GET /v1/relay/keys',
  'GET /v1/relay/revoked',
  'POST /v1/join/role',
  'POST /v1/tokens/exchange',
]

const all: readonly Endpoint[] = Object.values(endpoints)

/** Names of assets are digests of bundles, which change with every source file. */
const digest = (value: unknown): string =>
  createHash('sha256')
    .update(JSON.stringify(value).replace(/[0-9a-f]{64}/g, 'ASSET'))
    .digest('hex')
    .slice(0, 8)

/** A line for each resource, with a digest of what it says. */
const lines = (resources: Resources): string =>
  Object.entries(resources)
    .map(([id, resource]) => `${resource.Type} ${id} ${digest(resource)}\n`)
    .sort()
    .join('')

describe('cdk: templates', () => {
  let full: Resources
  let small: Resources

  before(async () => {
    full = await resourcesOf(everything)
    small = await resourcesOf(smallest)
  })

  const only = (type: string, of = full): Resource => {
    const found = ofType(of, type)
    assert.equal(found.length, 1, type)
    return found[0]?.[1] as Resource
  }
  const propertiesOf = (type: string, of = full) => ofType(of, type).map(([, {Properties}]) => Properties)

  for (const name of ['everything', 'smallest'] as const)
    it(`are those of golden/${name}.txt`, t => {
      const file = fileURLToPath(new URL(`golden/${name}.txt`, import.meta.url))
      t.assert.fileSnapshot(lines(name === 'everything' ? full : small), file, {serializers: [(text: string) => text]})
    })

  describe('state', () => {
    it('keeps the table: TTL, any second of 35 days, encryption, a stream, protection against deletion', () => {
      const {Properties, DeletionPolicy, UpdateReplacePolicy} = only('AWS::DynamoDB::Table')
      assert.deepEqual(Properties.TimeToLiveSpecification, {AttributeName: 'ttl', Enabled: true})
      assert.deepEqual(Properties.PointInTimeRecoverySpecification, {PointInTimeRecoveryEnabled: true, RecoveryPeriodInDays: 35})
      assert.equal(Properties.SSESpecification.SSEEnabled, true)
      assert.deepEqual(Properties.StreamSpecification, {StreamViewType: 'NEW_AND_OLD_IMAGES'})
      assert.equal(Properties.BillingMode, 'PAY_PER_REQUEST')
      assert.equal(Properties.DeletionProtectionEnabled, true)
      assert.deepEqual([DeletionPolicy, UpdateReplacePolicy], ['Retain', 'Retain'])
    })

    it('keeps slugs private, encrypted, versioned, over TLS only', () => {
      const {Properties, DeletionPolicy} = only('AWS::S3::Bucket')
      const blocked = {BlockPublicAcls: true, BlockPublicPolicy: true, IgnorePublicAcls: true, RestrictPublicBuckets: true}
      assert.deepEqual(Properties.PublicAccessBlockConfiguration, blocked)
      assert.deepEqual(Properties.VersioningConfiguration, {Status: 'Enabled'})
      assert.ok(Properties.BucketEncryption && Properties.LifecycleConfiguration.Rules.length > 0)
      assert.equal(Properties.CorsConfiguration, undefined)
      assert.equal(DeletionPolicy, 'Retain')
      const [statement, tls] = only('AWS::S3::BucketPolicy').Properties.PolicyDocument.Statement
      assert.deepEqual([statement.Effect, statement.Condition], ['Deny', {Bool: {'aws:SecureTransport': 'false'}}])
      assert.deepEqual([tls.Effect, tls.Condition], ['Deny', {NumericLessThan: {'s3:TlsVersion': 1.2}}])
    })

    it('keeps logs for as long as asked, and after the stack is gone', () => {
      const groups = ofType(full, 'AWS::Logs::LogGroup')
      assert.ok(groups.length > functionNames.length)
      for (const [id, {Properties, DeletionPolicy}] of groups)
        assert.deepEqual([Properties.RetentionInDays, DeletionPolicy], [30, 'Retain'], id)
    })

    it('takes a restored table in place of its own', async () => {
      const streamArn = 'arn:aws:dynamodb:eu-west-1:111122223333:table/restored/stream/2026-01-01T00:00:00.000'
      const resources = await resourcesOf({...smallest, table: 'restored', tableStream: streamArn})
      assert.deepEqual(ofType(resources, 'AWS::DynamoDB::Table'), [])
      const sources = ofType(resources, 'AWS::Lambda::EventSourceMapping').map(([, {Properties}]) => Properties.EventSourceArn)
      assert.equal(sources.filter(source => source === streamArn).length, 2)
    })
  })

  describe('API', () => {
    it('has one route per endpoint, on the $default stage', () => {
      const routes = propertiesOf('AWS::ApiGatewayV2::Route').map(({RouteKey}) => RouteKey)
      assert.deepEqual(routes.sort(), all.map(({method, path}) => `${method} ${path}`).sort())
      assert.equal(only('AWS::ApiGatewayV2::Stage').Properties.StageName, '$default')
    })

    it('lets nobody in without a token but to the listed endpoints: the middleware asks for one wherever the table names scopes', () => {
      const open = all.filter(({scopes}) => scopes === 'public' || scopes.length === 0).map(({method, path}) => `${method} ${path}`)
      assert.deepEqual(open.sort(), publicEndpoints)
    })

    it('is throttled, and logs requests without headers or queries', () => {
      const {DefaultRouteSettings, AccessLogSettings} = only('AWS::ApiGatewayV2::Stage').Properties
      assert.deepEqual([DefaultRouteSettings.ThrottlingRateLimit, DefaultRouteSettings.ThrottlingBurstLimit], [1_000, 2_000])
      assert.doesNotMatch(AccessLogSettings.Format, /header|query|authoriz/i)
      assert.match(AccessLogSettings.Format, /\$context\.requestId/)
    })

    it('answers browsers of the listed origins only, and none by default', () => {
      const {AllowOrigins, AllowCredentials} = only('AWS::ApiGatewayV2::Api').Properties.CorsConfiguration
      assert.deepEqual([AllowOrigins, AllowCredentials], [['https://console.example.com'], undefined])
      assert.equal(only('AWS::ApiGatewayV2::Api', small).Properties.CorsConfiguration, undefined)
    })
  })

  describe('functions', () => {
    it('are one per folder of lambdas/ with a handler, on Node 24 and arm64', () => {
      const functions = propertiesOf('AWS::Lambda::Function')
      assert.equal(functions.length, functionNames.length + 1, 'and one for syncs')
      for (const {Runtime, Architectures, Timeout, MemorySize, LoggingConfig} of functions) {
        assert.deepEqual([Runtime, Architectures], ['nodejs24.x', ['arm64']])
        assert.ok(Timeout <= 60 && MemorySize >= 256 && LoggingConfig.LogGroup)
        const {LogFormat, SystemLogLevel, ApplicationLogLevel} = LoggingConfig
        assert.deepEqual([LogFormat, SystemLogLevel, ApplicationLogLevel], ['JSON', 'WARN', 'TRACE'], 'no line for each call but our own')
      }
      assert.equal(propertiesOf('AWS::Lambda::Function', small).length, functionNames.length - 1, 'capacity is for machines of its own')
    })

    it('have roles of their own, and no two share one', () => {
      const roles = propertiesOf('AWS::Lambda::Function').map(({Role}) => JSON.stringify(Role))
      assert.equal(new Set(roles).size, roles.length)
    })

    it('reserve one scheduler, five reconcilers and a hundred syncs, unless told not to', () => {
      const reserved = (of: Resources) =>
        propertiesOf('AWS::Lambda::Function', of).flatMap(({Description, ReservedConcurrentExecutions: count}) =>
          count === undefined ? [] : [`${/: (\w+)$/.exec(Description)?.[1]} ${count}`],
        )
      assert.deepEqual(reserved(full).sort(), ['reconciler 5', 'scheduler 1', 'sync 100'])
      assert.deepEqual(reserved(small), [])
    })

    it('have one URL, for syncs, which is told to agents; none where nothing would throttle it', () => {
      const {AuthType, Cors, InvokeMode, TargetFunctionArn} = only('AWS::Lambda::Url').Properties
      assert.deepEqual([AuthType, Cors, InvokeMode], ['NONE', undefined, 'BUFFERED'])
      const [target] = TargetFunctionArn['Fn::GetAtt']
      const {Handler, ReservedConcurrentExecutions, Environment} = full[target]?.Properties ?? {}
      assert.deepEqual([Handler, ReservedConcurrentExecutions], ['index.syncs', 100])
      assert.equal(Environment.Variables.GILLIAM_SYNC_URL, undefined)
      const everybody = propertiesOf('AWS::Lambda::Permission').filter(({Principal}) => Principal === '*')
      for (const {FunctionName, FunctionUrlAuthType, InvokedViaFunctionUrl} of everybody) {
        assert.deepEqual(FunctionName['Fn::GetAtt'][0], target)
        assert.ok(FunctionUrlAuthType === 'NONE' || InvokedViaFunctionUrl === true, 'by the URL only')
      }
      const told = propertiesOf('AWS::Lambda::Function').filter(({Environment: env}) => env.Variables.GILLIAM_SYNC_URL !== undefined)
      assert.deepEqual(
        told.map(({Description}) => Description),
        ['Gilliam prod: executors'],
      )
      assert.deepEqual(ofType(small, 'AWS::Lambda::Url'), [])
    })

    it('hear of the stream through filters, with a place for what fails', () => {
      const sources = propertiesOf('AWS::Lambda::EventSourceMapping').filter(({StartingPosition}) => StartingPosition !== undefined)
      assert.equal(sources.length, 2)
      for (const source of sources) {
        assert.ok(source.FilterCriteria.Filters.length > 0 && source.FilterCriteria.Filters.length <= 5)
        assert.ok(source.DestinationConfig.OnFailure.Destination)
        assert.ok(source.MaximumRetryAttempts > 0 && source.MaximumRecordAgeInSeconds > 0)
        assert.deepEqual([source.BisectBatchOnFunctionError, source.FunctionResponseTypes], [true, ['ReportBatchItemFailures']])
      }
    })

    it('lose no event of a queue or a schedule without a trace', () => {
      const queues = ofType(full, 'AWS::SQS::Queue')
      const isDead = (id: string) => id.includes('DeadLetters')
      for (const [id, {Properties}] of queues) {
        assert.equal(Properties.SqsManagedSseEnabled, true, id)
        assert.equal(Properties.RedrivePolicy !== undefined, !isDead(id), id)
      }
      for (const {Targets} of propertiesOf('AWS::Events::Rule')) for (const target of Targets) assert.ok(target.DeadLetterConfig?.Arn)
      assert.equal(propertiesOf('AWS::Lambda::EventInvokeConfig').length, 3)
    })
  })

  it('ring alarms that each name a section of the runbook, and the runbook has no other', () => {
    const alarms = propertiesOf('AWS::CloudWatch::Alarm')
    const named = alarms.map(({AlarmName, AlarmDescription, AlarmActions}) => {
      const section = /docs\/runbook\.md#([\w-]+)$/.exec(AlarmDescription)?.[1]
      assert.equal(AlarmName, `gilliam-prod-${section}`)
      assert.equal(AlarmActions.length, 1)
      return section ?? ''
    })
    const sections = [...readText('docs/runbook.md').matchAll(/^## ([\w-]+)$/gm)].map(([, name = '']) => name)
    assert.deepEqual(sections.sort(), named.sort())
  })

  const fargateAgent = (): Resource => {
    const found = ofType(full, 'AWS::ECS::TaskDefinition').find(([id]) => id.startsWith('FargateAgent'))
    return found?.[1] ?? assert.fail('no agent on Fargate')
  }

  describe('Fargate', () => {
    it('has one agent, and a new one before the former one ends', () => {
      const service = ofType(full, 'AWS::ECS::Service').find(([id]) => id.startsWith('Fargate')) ?? assert.fail('no service')
      const {DesiredCount, DeploymentConfiguration} = service[1].Properties
      assert.equal(DesiredCount, 1)
      const {MinimumHealthyPercent, MaximumPercent, DeploymentCircuitBreaker} = DeploymentConfiguration
      assert.deepEqual([MinimumHealthyPercent, MaximumPercent, DeploymentCircuitBreaker.Rollback], [100, 200, true])
      const [{RestartPolicy}] = fargateAgent().Properties.ContainerDefinitions
      assert.deepEqual([RestartPolicy.Enabled, RestartPolicy.IgnoredExitCodes], [true, [3]])
    })

    it('is told what the agent understands, and no secret', async () => {
      const [{Environment, Secrets}] = fargateAgent().Properties.ContainerDefinitions
      assert.equal(Secrets, undefined)
      const text = (value: unknown): string => {
        const parts =
          typeof value === 'string' ? [value] : ((value as {'Fn::Join'?: [string, unknown[]]})['Fn::Join']?.[1] ?? ['a reference'])
        return parts.map(part => (typeof part === 'string' ? part : 'a reference')).join('')
      }
      const env = Object.fromEntries((Environment as {Name: string; Value: unknown}[]).map(({Name, Value}) => [Name, text(Value)]))
      const {descriptor, join: how, environment} = await readSettings(env, process.execPath)
      assert.deepEqual([descriptor.id, descriptor.cpuMilli, descriptor.memoryMib, how], ['fargate', 64_000, 262_144, 'role'])
      assert.match(environment.proxy ?? '', /7128$/)
      const {subnets, securityGroups, publicIp, spot, stackImage, taskRole} = readFargateSettings(env.GILLIAM_FARGATE ?? '')
      assert.deepEqual([subnets.length, securityGroups.length, publicIp, spot], [2, 1, true, true])
      assert.deepEqual([stackImage, taskRole], [everything.fargateStackImage, everything.fargateTaskRole])
    })

    it('is there without machines, router and proxy as well, and not unless asked for', async () => {
      const resources = await resourcesOf({...smallest, fargate: 'true'})
      assert.equal(ofType(resources, 'AWS::ECS::Service').length, 1)
      assert.deepEqual(ofType(resources, 'AWS::AutoScaling::AutoScalingGroup'), [])
      assert.deepEqual(ofType(small, 'AWS::ECS::Service'), [])
    })
  })

  describe('relay', () => {
    const relayOf = (resources: Resources) => {
      const byId = (type: string, prefix: string): Resource =>
        ofType(resources, type).find(([id]) => id.startsWith(prefix))?.[1] ?? assert.fail(`no ${type} ${prefix}`)
      return {
        task: byId('AWS::ECS::TaskDefinition', 'DataPlanerelay').Properties,
        service: byId('AWS::ECS::Service', 'DataPlanerelay').Properties,
        targets: byId('AWS::ElasticLoadBalancingV2::TargetGroup', 'RelayTargets').Properties,
        listeners: propertiesOf('AWS::ElasticLoadBalancingV2::Listener', resources),
        told: propertiesOf('AWS::Lambda::Function', resources).flatMap(({Description, Environment}) =>
          Environment.Variables.GILLIAM_RELAY === undefined ? [] : [[Description, Environment.Variables.GILLIAM_RELAY]],
        ),
      }
    }

    it('is one task and never two, in which the two sides of a session meet', () => {
      const {service, targets} = relayOf(full)
      const {MinimumHealthyPercent, MaximumPercent, DeploymentCircuitBreaker} = service.DeploymentConfiguration
      assert.deepEqual([service.DesiredCount, MinimumHealthyPercent, MaximumPercent], [1, 0, 100])
      assert.equal(DeploymentCircuitBreaker.Rollback, true)
      assert.deepEqual([targets.HealthCheckPath, targets.HealthCheckPort], ['/readyz', '9000'])
    })

    it('is told what it understands, has no secret, and a role that may do nothing', () => {
      const {task} = relayOf(full)
      const [{Environment, Secrets, Command}] = task.ContainerDefinitions
      const env = Object.fromEntries((Environment as {Name: string; Value: unknown}[]).map(({Name, Value}) => [Name, String(Value)]))
      const {host, port, adminPort} = readRelaySettings(env)
      assert.deepEqual([Command, host, port, adminPort], [['relay'], '0.0.0.0', 9001, 9000])
      assert.deepEqual(Object.keys(env).sort(), ['GILLIAM_API', 'GILLIAM_STAGE', 'HOST', 'PORT', 'PORT_9000'])
      assert.equal(Secrets, undefined)
      const role = task.TaskRoleArn['Fn::GetAtt'][0]
      const policies = propertiesOf('AWS::IAM::Policy').filter(({Roles}) => JSON.stringify(Roles).includes(`"${role}"`))
      assert.deepEqual(policies, [])
    })

    it('is reached over TLS, beside the router, or at a load balancer of its own on the port of HTTPS', async () => {
      const shared = relayOf(full)
      assert.deepEqual(shared.listeners.map(({Port, Protocol}) => [Port, Protocol]).sort(), [
        [443, 'TLS'],
        [8443, 'TLS'],
      ])
      assert.equal(ofType(full, 'AWS::ElasticLoadBalancingV2::LoadBalancer').length, 1)
      assert.deepEqual(shared.told, [['Gilliam prod: formations', 'wss://relay.example.com:8443/']])
      const alone = await resourcesOf({...smallest, relay: 'relay.example.com', relayPort: '443', certificate: everything.certificate})
      assert.deepEqual(
        relayOf(alone).listeners.map(({Port, Protocol}) => [Port, Protocol]),
        [[443, 'TLS']],
      )
      assert.deepEqual(relayOf(alone).told, [['Gilliam prod: formations', 'wss://relay.example.com/']])
      assert.equal(ofType(alone, 'AWS::ECS::Service').length, 1, 'and nothing else')
      assert.deepEqual(
        propertiesOf('AWS::Lambda::Function', small).filter(({Environment}) => Environment.Variables.GILLIAM_RELAY !== undefined),
        [],
      )
    })
  })

  describe('machines', () => {
    it('need sessions for their metadata, and have encrypted disks', () => {
      const {LaunchTemplateData: data} = only('AWS::EC2::LaunchTemplate').Properties
      assert.deepEqual([data.MetadataOptions.HttpTokens, data.MetadataOptions.HttpPutResponseHopLimit], ['required', 1])
      for (const {Ebs} of data.BlockDeviceMappings) assert.equal(Ebs.Encrypted, true)
      assert.equal(data.KeyName, undefined)
    })

    it('join by their role, which is the only one that may, and hold no secret', () => {
      const rolesOf = (of: Resources) =>
        propertiesOf('AWS::Lambda::Function', of).flatMap(({Environment}) => Environment.Variables.GILLIAM_JOIN_ROLES ?? [])
      const [role] = ofType(full, 'AWS::IAM::Role').find(([, {Properties}]) =>
        JSON.stringify(Properties.AssumeRolePolicyDocument).includes('ec2.amazonaws.com'),
      ) ?? ['none']
      const {TaskRoleArn} = fargateAgent().Properties
      const account = {Ref: 'AWS::AccountId'}
      const both = [account, '/', {Ref: role}, ',', account, '/', {Ref: TaskRoleArn['Fn::GetAtt'][0]}, ':fargate']
      assert.deepEqual(rolesOf(full), [{'Fn::Join': ['', both]}])
      assert.deepEqual(rolesOf(small), [])
      const script = JSON.stringify(only('AWS::EC2::LaunchTemplate').Properties.LaunchTemplateData.UserData)
      assert.match(script, /GILLIAM_JOIN=role/)
      assert.doesNotMatch(script, /token=|get-parameter|TOKEN_FILE/)
    })

    it('are drained before they end', () => {
      const hook = only('AWS::AutoScaling::LifecycleHook').Properties
      assert.deepEqual([hook.LifecycleTransition, hook.DefaultResult], ['autoscaling:EC2_INSTANCE_TERMINATING', 'CONTINUE'])
      const patterns = propertiesOf('AWS::Events::Rule').map(({EventPattern}) => EventPattern?.['detail-type'])
      assert.ok(patterns.flat().includes('EC2 Instance-terminate Lifecycle Action'))
    })

    it('are reached by router, proxy and each other, on the ports of instances; by users only the load balancer', () => {
      const open = ofType(full, 'AWS::EC2::SecurityGroup').flatMap(([id, {Properties}]) =>
        (Properties.SecurityGroupIngress ?? []).map(
          ({CidrIp, FromPort}: {CidrIp: string; FromPort: number}) => `${id.replace(/[0-9A-F]{8}$/, '')} ${CidrIp} ${FromPort}`,
        ),
      )
      assert.deepEqual(open, ['RouterFrontGroup 0.0.0.0/0 443', 'RouterFrontGroup 0.0.0.0/0 8443'])
      const between = propertiesOf('AWS::EC2::SecurityGroupIngress').filter(({FromPort}) => FromPort === 20_000)
      assert.deepEqual(
        between.map(({ToPort, CidrIp}) => [ToPort, CidrIp]),
        // Machines: router, proxy, each other, tasks. Tasks: router, proxy, each other, machines, their agent.
        Array(9).fill([29_999, undefined]),
      )
    })

    it('are not there when nobody asked for them', () => {
      for (const type of [
        'AWS::EC2::VPC',
        'AWS::ECS::Cluster',
        'AWS::AutoScaling::AutoScalingGroup',
        'AWS::ElasticLoadBalancingV2::LoadBalancer',
      ])
        assert.deepEqual(ofType(small, type), [], type)
    })
  })
})
