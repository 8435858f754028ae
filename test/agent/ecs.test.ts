// Fargate as an executor: the real agent, in this process, with ECS as a state machine behind the SDK's client. Health is asked over real sockets.
import assert from 'node:assert/strict'
import {createServer, type Server} from 'node:http'
import type {AddressInfo} from 'node:net'
import {describe, it, type TestContext} from 'node:test'
import {overridesCharactersMax} from '#agent/ecs/request.ts'
import {image, stage} from './ecs-stage.ts'
import {health} from './fixtures.ts'
import {until} from './wait.ts'

const listen = async (t: TestContext, host: string, answer: () => number): Promise<number> => {
  const server: Server = createServer((_, response) => response.writeHead(answer()).end())
  await new Promise<void>(resolve => server.listen(0, host, resolve))
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

describe('a Fargate executor', {concurrency: true}, () => {
  it('runs an instance as a task: healthy over HTTP at its own address, then announced there', async t => {
    const {plane, ecs, start, taskOf} = await stage(t)
    let status = 500
    const port = await listen(t, '127.0.0.2', () => status)
    ecs.host = '127.0.0.2'
    await start()
    const env = {GREETING: 'hello'}
    plane.assign(image('a', {env, ports: [{port: 80, hostPort: port}], health: health(), resources: {cpuMilli: 300, memoryMib: 700}}))
    const task = await taskOf('a')
    assert.equal((await plane.reported('a', () => true)).state, 'starting')
    ecs.run(task)
    await until(() => ecs.called('DescribeTasks') > 3)
    assert.deepEqual([plane.latest('a')?.state, plane.latest('a')?.announced], ['starting', false])
    status = 200
    const report = await plane.reported('a', ({announced}) => announced)
    assert.deepEqual([report.state, report.address], ['running', {host: '127.0.0.2', ports: {'80': port}}])
    const {startedBy, tags, launchType, overrides, networkConfiguration} = task.input
    assert.deepEqual([startedBy, tags, launchType], ['gilliam/prod/fargate', [{key: 'gilliam:instance', value: 'crm.users.a'}], 'FARGATE'])
    assert.deepEqual(networkConfiguration?.awsvpcConfiguration, {
      subnets: ['subnet-1'],
      securityGroups: ['sg-1'],
      assignPublicIp: 'DISABLED',
    })
    const [container] = overrides?.containerOverrides ?? []
    const variables = Object.fromEntries((container?.environment ?? []).map(({name, value}) => [name, value]))
    assert.deepEqual(
      [variables.GREETING, variables.PORT, variables.HOST, variables.GILLIAM_INSTANCE],
      ['hello', String(port), '0.0.0.0', 'a'],
    )
    assert.deepEqual([variables.PATH, variables.HOME, container?.command], [undefined, undefined, undefined])
    const [definition] = [...ecs.definitions.values()]
    assert.deepEqual([definition?.cpu, definition?.memory, definition?.networkMode], ['512', '1024', 'awsvpc'])
    assert.equal(definition?.containerDefinitions?.[0]?.stopTimeout, 2)
    assert.doesNotMatch(JSON.stringify(definition), /hello/, 'what may be secret is in no definition, which lasts')
  })

  it('registers a definition once for all that are alike', async t => {
    const {plane, ecs, start} = await stage(t)
    await start()
    plane.assign(image('a'), image('b', {env: {OTHER: '1'}}), image('c', {resources: {cpuMilli: 2_000, memoryMib: 64}}))
    await until(() => ecs.tasks.length === 3)
    assert.deepEqual([ecs.definitions.size, ecs.called('RegisterTaskDefinition')], [2, 2])
    for (const family of ecs.definitions.keys()) assert.match(family, /^gilliam_prod_fargate_crm_users_[0-9a-f]{12}$/)
  })

  it('starts anew what has ended, says why, and withdraws it meanwhile', async t => {
    const {plane, ecs, start, taskOf} = await stage(t)
    await start()
    plane.assign(image('a'))
    const first = await taskOf('a')
    ecs.run(first)
    await plane.reported('a', ({state}) => state === 'running')
    ecs.exit(first, 137, 'OutOfMemoryError: Container killed due to memory usage')
    const report = await plane.reported('a', ({state}) => state === 'starting')
    assert.match(report.reason ?? '', /^exit code 137 \(signal 9\): OutOfMemoryError.*; starting again in 0.5 s$/)
    ecs.host = '127.0.0.3'
    ecs.run(await taskOf('a', 1))
    assert.equal((await plane.reported('a', ({state}) => state === 'running')).restarts, 1)
    assert.equal(ecs.tasks.length, 2)
  })

  it('stops: withdrawn first, SIGTERM by ECS, over when the container is', async t => {
    const {plane, ecs, start, taskOf} = await stage(t)
    ecs.host = '127.0.0.4'
    const ports = [{port: 80, hostPort: await listen(t, '127.0.0.4', () => 200)}]
    await start()
    plane.assign(image('a', {ports}))
    const task = await taskOf('a')
    ecs.run(task)
    await plane.reported('a', ({announced}) => announced)
    plane.assign(image('a', {ports, stop: true}))
    await plane.reported('a', ({state, announced}) => state === 'stopping' && !announced)
    assert.equal(task.desiredStatus, 'RUNNING', 'callers find out first')
    await until(() => task.desiredStatus === 'STOPPED')
    while (task.lastStatus !== 'DEPROVISIONING') ecs.step(task)
    const report = await plane.reported('a', ({state}) => state === 'stopped')
    assert.equal(report.exitCode, 143)
    assert.equal(ecs.called('StopTask'), 1, 'however long it takes')
  })

  it('calls off a start', async t => {
    const {plane, ecs, start, taskOf} = await stage(t)
    await start()
    plane.assign(image('a'))
    const task = await taskOf('a')
    ecs.step(task)
    plane.assign(image('a', {stop: true}))
    await until(() => task.desiredStatus === 'STOPPED')
    while (task.lastStatus !== 'STOPPED') ecs.step(task)
    assert.equal((await plane.reported('a', ({state}) => state === 'stopped')).announced, false)
  })

  it('tries again when Fargate has no room or the image can not be pulled, and says so', async t => {
    const {plane, ecs, start, taskOf} = await stage(t)
    ecs.runFailures.push('Capacity is unavailable at this time')
    await start()
    plane.assign(image('a'))
    await plane.reported('a', ({reason}) => /Capacity is unavailable at this time; starting again/.test(reason ?? ''))
    ecs.refuse(await taskOf('a'), 'TaskFailedToStart', 'CannotPullContainerError: pull image manifest has been retried 1 time(s)')
    await plane.reported('a', ({reason}) => /CannotPullContainerError.*starting again/.test(reason ?? ''))
    ecs.run(await taskOf('a', 1))
    await plane.reported('a', ({state}) => state === 'running')
  })

  it('refuses what it can not run, with a reason that says what to do', async t => {
    const {plane, ecs, start} = await stage(t)
    await start()
    const slug = {sha256: 'a'.repeat(64), bytes: 10}
    plane.assign(
      image('a', {image: undefined, script: 'node users.js', slug}),
      image('b', {image: undefined, kind: 'auxiliary', type: 'redis'}),
      image('c', {resources: {cpuMilli: 17_000, memoryMib: 64}}),
      image('d', {env: {LARGE: 'x'.repeat(overridesCharactersMax)}}),
    )
    for (const [id, reason] of [
      ['a', /runs images only: give the service an image, or the executor a stackImage/],
      ['b', /the type redis has none; give it an image/],
      ['c', /no task of 17 cores and 64 MiB/],
      ['d', /ECS takes 8192: keep large values elsewhere/],
    ] as const)
      assert.match((await plane.reported(id, ({state}) => state === 'failed')).reason ?? '', reason)
    assert.equal(ecs.tasks.length, 0)
  })

  it('runs a slug in the stack image, fetched by a signed address and checked', async t => {
    const {plane, ecs, start, taskOf} = await stage(t, {stackImage: 'stack:1', spot: true})
    await start()
    const slug = {sha256: 'a'.repeat(64), bytes: 10}
    plane.assign(image('a', {image: undefined, script: 'node users.js', slug}), image('b', {script: 'exec users', args: ['--fast']}))
    const {input} = await taskOf('a')
    const command = input.overrides?.containerOverrides?.[0]?.command ?? []
    assert.deepEqual(command.slice(-3), [`${plane.url}/blobs/${slug.sha256}`, slug.sha256, 'node users.js'])
    assert.match(command[2] ?? '', /sha256sum -c/)
    assert.deepEqual([input.launchType, input.capacityProviderStrategy?.[0]?.capacityProvider], [undefined, 'FARGATE_SPOT'])
    const other = (await taskOf('b')).input.overrides?.containerOverrides?.[0]?.command
    assert.deepEqual(other, ['--fast'], 'an image is run by its own entry point, whatever runs it as a process')
    assert.deepEqual([...ecs.definitions.values()].map(each => each.containerDefinitions?.[0]?.image).sort(), [
      'registry.test/users@sha256:1',
      'stack:1',
    ])
  })

  it('waits when ECS is asked too often, without giving the instance up', async t => {
    const {plane, ecs, start, taskOf} = await stage(t)
    for (const name of ['RunTask', 'DescribeTasks', 'RegisterTaskDefinition', 'ListTasks']) ecs.throttles.set(name, 3)
    await start()
    plane.assign(image('a'))
    ecs.run(await taskOf('a'))
    assert.equal((await plane.reported('a', ({state}) => state === 'running')).restarts, 0)
    assert.deepEqual([ecs.tasks.length, ecs.called('RunTask')], [1, 4])
  })
})
