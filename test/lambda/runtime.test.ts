// The bundled functions under the Lambda Runtime Interface, end to end: first tokens, a deploy by a real agent, logs, secrets, ticks, wake-ups, and the end of
// a formation. What drives them is printed: AWS's own client or ours.
import assert from 'node:assert/strict'
import {type ChildProcess, spawn} from 'node:child_process'
import {createHash} from 'node:crypto'
import {once} from 'node:events'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {after, before, describe, it} from 'node:test'
import {fileURLToPath} from 'node:url'
import {gzipSync} from 'node:zlib'
import {pack} from 'tar-stream'
import {functionNames} from '#cdk/bundles.ts'
import {settleMs} from '#lambdas/aws/logs.ts'
import {tickSeconds} from '#lambdas/reconciler/calls.ts'
import {type Client, createClient} from '#shared/client.ts'
import {until} from '#test/platform/stage.ts'
import {serviceDefinition} from '#test/store/samples.ts'
import {clientName} from './function.ts'
import {type LambdaStage, scheduled, startLambdaStage} from './stage.ts'

const agentMain = fileURLToPath(new URL('../../agent/main.ts', import.meta.url))
const server = `import {createServer} from 'node:http'
console.log('listening with', process.env.KEY)
createServer((_, response) => response.end('hello')).listen(process.env.PORT, process.env.HOST)
`

const slugOf = async (name: string, content: string): Promise<Buffer> => {
  const archive = pack()
  archive.entry({name, mtime: new Date(0)}, content)
  archive.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of archive as AsyncIterable<Buffer>) chunks.push(chunk)
  return gzipSync(Buffer.concat(chunks))
}

describe(`functions on the Lambda Runtime Interface, driven by ${clientName}`, () => {
  let stage: LambdaStage
  let client: Client
  let agent: ChildProcess
  const folder = mkdtempSync(join(tmpdir(), 'gilliam-lambda-agent-'))
  const crm = {formation: 'crm'}

  const setup = (RequestType: string) => ({
    RequestType,
    ResponseURL: `${stage.services.url}/cloudformation`,
    StackId: 'arn:aws:cloudformation:eu-west-1:111122223333:stack/gilliam-test-platform/x',
    RequestId: 'r1',
    LogicalResourceId: 'TokensMade',
    ResourceType: 'Custom::GilliamFirstTokens',
    ServiceToken: '',
    ResourceProperties: {tokens: '1'},
  })
  const invoke = (name: string, event: unknown) => stage.functions.get(name)?.invoke(event)
  const token = (name: string): string => stage.services.parameters.get(`/gilliam-tokens/test/${name}`) ?? ''

  before(async () => {
    stage = await startLambdaStage()
  })
  after(async () => {
    if (agent?.exitCode === null) {
      agent.kill('SIGUSR2')
      await once(agent, 'exit')
    }
    await stage.stop()
    rmSync(folder, {recursive: true, force: true})
  })

  it('start, every one of them, with the environment that the template gives it', () => {
    assert.deepEqual([...stage.functions.keys()].sort(), [...functionNames, 'sync'].sort())
  })

  it('make the first tokens when CloudFormation asks, and answer it', async () => {
    await invoke('setup', setup('Create'))
    const [answer] = stage.services.answers
    assert.deepEqual([answer?.Status, answer?.RequestId, answer?.LogicalResourceId], ['SUCCESS', 'r1', 'TokensMade'])
    assert.doesNotMatch(JSON.stringify(stage.services.answers), /gil_/)
    for (const name of ['admin', 'discovery']) assert.match(token(name), new RegExp(`^gil_${name}_`))
    client = createClient({api: stage.api, token: token('admin')})
    assert.equal((await client.call('getHealth')).stage, 'test')
    assert.match((await client.call('getOpenapi')).openapi, /^3\.1\./)
  })

  it('take a slug as S3 does: exactly the content that was announced', async () => {
    const slug = await slugOf('server.mjs', server)
    const sha256 = createHash('sha256').update(slug).digest('hex')
    const {uploadUrl = '', uploadHeaders} = await client.call('createArtifact', {body: {sha256, bytes: slug.length}})
    const put = async (body: Buffer, headers = uploadHeaders) =>
      (await fetch(uploadUrl, {method: 'PUT', body: new Uint8Array(body), headers})).status
    assert.equal(await put(Buffer.concat([slug, slug])), 403, 'longer than signed')
    const other = Buffer.from(slug)
    other[20] = (other[20] ?? 0) ^ 1
    assert.equal(await put(other), 400, 'another content')
    assert.equal(await put(slug, {}), 403, 'without the signed digest')
    assert.equal(await put(slug), 200)
    const stored = await client.call('getArtifact', {params: {sha256}})
    assert.deepEqual(Buffer.from(await (await fetch(stored.downloadUrl ?? '')).arrayBuffer()), slug)
    await client.call('createFormation', {body: {name: 'crm'}})
    await client.call('setSecret', {params: {...crm, secret: 'key'}, body: {value: 'first'}})
    const web = serviceDefinition({
      scale: 2,
      script: 'exec node server.mjs',
      env: {KEY: 'secret://key'},
      health: {tcp: true, intervalMs: 200, timeoutMs: 1_000, startTimeoutMs: 20_000} as never,
    })
    await client.call('createRelease', {params: crm, body: {slug: {sha256, bytes: slug.length}, services: {web} as never}})
  })

  it('place, start and announce what is deployed', async () => {
    const {token: joinToken = ''} = await client.call('createToken', {body: {name: 'machine', scope: 'join', uses: 1}})
    writeFileSync(join(folder, 'join-token'), joinToken)
    agent = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', agentMain], {
      env: {
        PATH: process.env.PATH,
        GILLIAM_API: stage.api,
        GILLIAM_EXECUTOR: 'i-0123456789abcdef0',
        GILLIAM_AGENT_HOME: join(folder, 'home'),
        GILLIAM_JOIN_TOKEN_FILE: join(folder, 'join-token'),
      },
      stdio: 'ignore',
    })
    await until('the executor', async () => (await client.call('listExecutors')).items.length === 1)
    await client.call('createRollout', {params: crm, body: {release: 1}})
    await until('the rollout', async () => (await client.call('getRollout', {params: {...crm, release: '1'}})).state === 'finished')
    const entries = Object.values(await client.call('getRegistry', {params: crm})) as {host: string; port: number}[]
    assert.equal(entries.length, 2)
    for (const {host, port} of entries) assert.equal(await (await fetch(`http://${host}:${port}/`)).text(), 'hello')
    const feed = createClient({api: stage.api, token: token('discovery')})
    const {formations} = await feed.call('discover', {body: {formations: {crm: 0}, routes: 0}})
    assert.equal(formations.crm?.endpoints.length, 2)
  })

  it('are synced with by their URL, which takes syncs and nothing else', async () => {
    const before = stage.syncUrl.calls()
    await until('another sync', () => Promise.resolve(stage.syncUrl.calls() > before))
    assert.ok(before > 1, 'so did the agent while it deployed')
    const [executor] = (await client.call('listExecutors')).items
    assert.ok((executor?.leaseExpiresAt ?? 0) > Date.now())
    for (const [path, status] of [
      ['v1/executors', 404],
      ['v1/health', 404],
      ['v1/executors/i-0123456789abcdef0/sync', 401],
    ] as const) {
      const answer = await fetch(`${stage.syncUrl.url}${path}`, {method: 'POST', headers: {authorization: `Bearer ${token('admin')}`}})
      assert.deepEqual([path, answer.status], [path, status])
    }
  })

  it('keep what instances write, and give it out page by page', async () => {
    const line = 'listening with first'
    const {items, cursor} = await until('lines that have settled', async () => {
      const page = await client.call('getLogs', {params: crm, query: {service: 'web'}})
      return page.items.filter(({text}) => text === line).length === 2 && page
    })
    assert.deepEqual(
      (await client.call('getLogs', {params: crm, query: {cursor}})).items.filter(({text}) => text === line),
      [],
    )
    const {id} = items.find(({text}) => text === line) ?? {id: ''}
    const own = await client.call('getLogs', {params: crm, query: {instance: id, since: '0', limit: '1'}})
    assert.deepEqual(
      own.items.map(each => each.id),
      [id],
    )
    const rest = await client.call('getLogs', {params: crm, query: {instance: id, cursor: own.cursor}})
    assert.ok(!rest.items.some(({text, at}) => text === own.items[0]?.text && at === own.items[0]?.at))
    assert.ok(settleMs <= 5_000)
  })

  it('tick every ten seconds for as long as there are leases, of one schedule a minute', async () => {
    const before = stage.services.messages.length
    await invoke('reconciler', scheduled())
    const ticks = stage.services.messages.slice(before).filter(({body}) => body.includes('tick'))
    assert.equal(ticks.length, tickSeconds.length)
    await invoke('scheduler', scheduled())
    await until('the first tick', async () => !stage.services.messages.includes(ticks[0] as never), 15_000)
  })

  it('ask for a machine when something waits that only one more would fit, and for one only', async () => {
    const requirements = ['"ec2" in executor.tags && executor.type == "t4g.medium"']
    const {id} = await client.call('spawnInstance', {params: crm, body: {service: 'web', release: 1, requirements}})
    await invoke('capacity', scheduled())
    await invoke('capacity', scheduled())
    assert.deepEqual(stage.services.group.asked, ['DescribeAutoScalingGroups', 'SetDesiredCapacity 2', 'DescribeAutoScalingGroups'])
    await client.call('stopInstance', {params: {...crm, instance: id}})
  })

  it('end what is destroyed', async () => {
    await client.call('destroyFormation', {params: crm})
    await until('its end', async () => (await client.call('listFormations')).items.length === 0)
  })

  it('drain a machine that is to end, and let it go', async () => {
    const termination = {
      messageId: 'm1',
      body: JSON.stringify({
        'detail-type': 'EC2 Instance-terminate Lifecycle Action',
        source: 'aws.autoscaling',
        detail: {
          AutoScalingGroupName: 'machines',
          LifecycleHookName: 'Drain',
          LifecycleActionToken: 't1',
          EC2InstanceId: 'i-0123456789abcdef0',
          LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
        },
      }),
    }
    assert.deepEqual(await invoke('capacity', {Records: [termination]}), {batchItemFailures: []})
    assert.equal(stage.services.group.asked.at(-1), 'CompleteLifecycleAction t1')
    const [executor] = (await client.call('listExecutors')).items
    assert.equal(executor?.state, 'drained', 'nothing runs there')
  })

  it('say nothing of tokens or secrets in their logs', () => {
    for (const [name, {log}] of stage.functions) assert.doesNotMatch(log(), /gil_(?:admin|join|discovery|executor)_[\w-]{20}|"first"/, name)
  })

  it('were called by the stream for few of its records', t => {
    for (const [name, {stream, records}] of Object.entries(stage.counts)) {
      t.diagnostic(`${name}: ${records} records in the stream, ${stream} calls`)
      assert.ok(stream > 0 && stream < records)
    }
  })
})
