// Fargate as an executor: the real agent, in this process, with ECS as a state machine behind the SDK's client. Health is asked over real sockets.
import assert from 'node:assert/strict'
import {rmSync, writeFileSync} from 'node:fs'
import {createServer, type Server} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {describe, it, type TestContext} from 'node:test'
import {ECSClient} from '@aws-sdk/client-ecs'
import fc from 'fast-check'
import {tasksOnEcs} from '#agent/ecs/compose.ts'
import {definitionOf} from '#agent/ecs/definition.ts'
import {overridesCharactersMax, taskPortsOf} from '#agent/ecs/request.ts'
import {type FargateSettings, readFargateSettings} from '#agent/ecs/settings.ts'
import {fargateSizes, taskSizeFor} from '#agent/ecs/sizes.ts'
import {missingMs, Tasks} from '#agent/ecs/tasks.ts'
import {runAgent} from '#agent/run.ts'
import {endStrayTasks} from '#agent/runtime/ecs.ts'
import {readSettings} from '#agent/settings.ts'
import type {Assignment} from '#shared/domain/assignment.ts'
import {createLogger} from '#shared/log.ts'
import {ControlPlane} from './control-plane.ts'
import {FakeEcs} from './fake-ecs.ts'
import {assignment, health, temporaryFolder} from './fixtures.ts'
import {until} from './wait.ts'

const log = createLogger('test', {level: 'silent'})
const fargate: FargateSettings = readFargateSettings(
  JSON.stringify({
    cluster: 'gilliam',
    subnets: ['subnet-1'],
    securityGroups: ['sg-1'],
    executionRole: 'arn:role/execution',
    logGroup: 'services',
    region: 'eu-west-1',
  }),
)
const quick = {random: () => 0, wait: async () => undefined, pollMs: {busy: 10, calm: 20}}
const newClient = () => new ECSClient({region: 'eu-west-1', credentials: {accessKeyId: 'none', secretAccessKey: 'none'}})

const image = (id: string, change: Partial<Assignment> = {}): Assignment =>
  assignment(id, {image: 'registry.test/users@sha256:1', script: undefined, stopGraceMs: 1_500, ...change})

const listen = async (t: TestContext, host: string, answer: () => number): Promise<number> => {
  const server: Server = createServer((_, response) => response.writeHead(answer()).end())
  await new Promise<void>(resolve => server.listen(0, host, resolve))
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

/** A control plane, a fake ECS, and agents that follow each other in one home. */
const stage = async (t: TestContext, settings: Partial<FargateSettings> = {}) => {
  const [plane, client] = [await ControlPlane.start(), newClient()]
  const ecs = new FakeEcs(client)
  let leave = async (): Promise<void> => undefined
  // Cleaning up goes in the order it was asked for: the agent first, then its folder.
  t.after(async () => {
    await leave()
    await plane.close()
  })
  const home = temporaryFolder(t)
  writeFileSync(join(home, 'join'), 'join me')
  const start = async () => {
    const environment = {
      GILLIAM_API: plane.url,
      GILLIAM_EXECUTOR: 'fargate',
      GILLIAM_STAGE: 'prod',
      GILLIAM_AGENT_HOME: home,
      GILLIAM_JOIN_TOKEN_FILE: join(home, 'join'),
      GILLIAM_SYNC_BUSY_MS: '20',
      PATH: '/agents/own',
    }
    const now = () => performance.timeOrigin + performance.now()
    const all = {...fargate, ...settings}
    const onEcs = tasksOnEcs({...quick, client, settings: all, stage: 'prod', executor: 'fargate', log, now})
    const read = await readSettings(environment, process.execPath)
    const running = await runAgent(read, {...onEcs, log, wallClock: Date.now, random: Math.random})
    leave = async () => {
      await running.leave()
      await onEcs.tasks.close()
    }
    return {...running, tasks: onEcs.tasks}
  }
  const taskOf = async (id: string, n = 0) => {
    await until(() => ecs.of(`crm.users.${id}`).length > n)
    return ecs.of(`crm.users.${id}`)[n] ?? assert.fail()
  }
  const stop = () => leave()
  plane.nextSyncMs = 20
  return {plane, ecs, home, start, stop, taskOf}
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
    for (const family of ecs.definitions.keys()) assert.match(family, /^gilliam-prod-crm-users-[0-9a-f]{12}$/)
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

describe('the next agent of a Fargate executor', {concurrency: true}, () => {
  it('takes over what runs, hears what has ended, and goes on with what was starting', async t => {
    const {plane, ecs, start, stop, taskOf} = await stage(t)
    await start()
    plane.assign(image('a'), image('b'), image('c'))
    const [a, b, c] = [await taskOf('a'), await taskOf('b'), await taskOf('c')]
    for (const task of [a, b]) ecs.run(task)
    for (const id of ['a', 'b']) await plane.reported(id, ({state}) => state === 'running')
    await stop()
    ecs.exit(b, 3)
    await start()
    assert.match((await plane.reported('b', ({state}) => state === 'starting')).reason ?? '', /exit code 3/)
    ecs.run(c)
    await plane.reported('c', ({state}) => state === 'running')
    ecs.run(await taskOf('b', 1))
    await plane.reported('b', ({state}) => state === 'running')
    assert.equal(ecs.tasks.length, 4)
    plane.assign(image('b'), image('c'))
    await until(() => a.desiredStatus === 'STOPPED')
  })

  it('finds its tasks by their tags when its own memory is lost, and stops those that nobody wants', async t => {
    const {plane, ecs, home, start, stop, taskOf} = await stage(t)
    await start()
    plane.assign(image('a'), image('b'))
    const [a, b] = [await taskOf('a'), await taskOf('b')]
    for (const task of [a, b]) ecs.run(task)
    for (const id of ['a', 'b']) await plane.reported(id, ({state}) => state === 'running')
    await stop()
    rmSync(join(home, 'state.json'))
    plane.assign(image('a'))
    plane.reports.length = 0
    const {agent, tasks} = await start()
    await plane.reported('a', ({state}) => state === 'running')
    assert.deepEqual(await endStrayTasks(tasks, key => agent.records.has(key)), ['crm.users.b'])
    await until(() => b.desiredStatus === 'STOPPED')
    assert.deepEqual([ecs.tasks.length, a.desiredStatus], [2, 'RUNNING'])
  })
})

describe('tasks on ECS', () => {
  const tasksOf = (t: TestContext, now = () => Date.now(), pollMs = quick.pollMs) => {
    const client = newClient()
    const ecs = new FakeEcs(client)
    const errors: unknown[] = []
    const options = {...quick, pollMs, client, cluster: 'gilliam', startedBy: 'gilliam/prod/fargate', now}
    const tasks = new Tasks({...options, onError: error => errors.push(error)})
    t.after(() => tasks.close())
    ecs.definitions.set('f', {family: 'f', containerDefinitions: []})
    const run = (n: number) =>
      tasks.run({
        taskDefinition: 'arn:task-definition/f:1',
        clientToken: `t${n}`,
        tags: [{key: 'gilliam:instance', value: `crm.users.${n}`}],
      })
    return {tasks, ecs, errors, run}
  }

  it('are looked at a hundred to a call, and listed page by page', async t => {
    const {tasks, ecs, run} = tasksOf(t, undefined, {busy: 60_000, calm: 60_000})
    for (let n = 0; n < 250; n++) await run(n)
    assert.equal((await tasks.list()).length, 250)
    assert.deepEqual([ecs.called('ListTasks'), ecs.called('DescribeTasks')], [4, 3])
    let seen = 0
    for (const {arn} of ecs.tasks) tasks.watch(arn, () => seen++)
    await until(() => seen === 250)
    assert.equal(ecs.called('DescribeTasks'), 6)
    await Promise.all([tasks.list(), tasks.list()])
    assert.equal(ecs.called('ListTasks'), 4, 'of a moment ago')
  })

  it('are not started twice by the same request', async t => {
    const {ecs, run} = tasksOf(t)
    assert.equal((await run(1)).arn, (await run(1)).arn)
    assert.equal(ecs.tasks.length, 1)
  })

  it('that ECS does not know are given time, and then count as ended', async t => {
    const clock = {now: 0}
    const {tasks, ecs} = tasksOf(t, () => clock.now)
    const states: string[] = []
    tasks.watch('arn:task/gone', ({state}) => states.push(state))
    await until(() => ecs.called('DescribeTasks') > 3)
    assert.deepEqual(states, [])
    clock.now = missingMs
    await until(() => states.length > 0)
    assert.deepEqual(states, ['ended'])
  })

  it('are asked to stop until ECS has taken it; looking goes on after a failure', async t => {
    const {tasks, ecs, errors, run} = tasksOf(t)
    const {arn} = await run(1)
    tasks.watch(arn, () => undefined)
    ecs.throttles.set('StopTask', 20)
    ecs.throttles.set('DescribeTasks', 20)
    tasks.stop(arn, 'enough')
    tasks.stop('arn:task/unknown', 'enough')
    await until(() => ecs.tasks[0]?.desiredStatus === 'STOPPED')
    assert.ok(errors.length > 0)
  })
})

describe('sizes of Fargate', () => {
  const anyResources = fc.record({cpuMilli: fc.integer({min: 1, max: 20_000}), memoryMib: fc.integer({min: 1, max: 150_000})})

  it('are rounded up to one that is offered, and the smallest that is enough', () => {
    const offered = fargateSizes.flatMap(({cpuUnits, memoryMibMin, memoryMibMax, stepMib}) => {
      const steps = Array.from({length: Math.floor(memoryMibMax / stepMib)}, (_, at) => (at + 1) * stepMib)
      const memory = [...new Set([memoryMibMin, ...steps.filter(each => each >= memoryMibMin)])]
      return memory.map(memoryMib => ({cpuUnits, memoryMib}))
    })
    assert.deepEqual(
      offered.filter(({cpuUnits}) => cpuUnits <= 512).map(({memoryMib}) => memoryMib),
      [512, 1_024, 2_048, 1_024, 2_048, 3_072, 4_096],
    )
    fc.assert(
      fc.property(anyResources, resources => {
        const enough = offered.filter(
          ({cpuUnits, memoryMib}) => cpuUnits * 1_000 >= resources.cpuMilli * 1_024 && memoryMib >= resources.memoryMib,
        )
        const [smallest] = enough.toSorted((a, b) => a.cpuUnits - b.cpuUnits || a.memoryMib - b.memoryMib)
        assert.deepEqual(taskSizeFor(resources), smallest)
      }),
    )
  })
})

describe('settings of Fargate', () => {
  it('are refused with the name of the field', () => {
    assert.throws(() => readFargateSettings('nonsense'), /GILLIAM_FARGATE is not JSON/)
    assert.throws(() => readFargateSettings(JSON.stringify({...fargate, subnets: []})), /GILLIAM_FARGATE: subnets/)
    assert.throws(() => readFargateSettings(JSON.stringify({...fargate, clutser: 'x'})), /GILLIAM_FARGATE/)
  })

  it('keep ports apart, where an image’s user may bind them', () => {
    assert.deepEqual(taskPortsOf({ports: [{port: 80}, {port: 443, hostPort: 8_443}, {port: 9_000}]}), {
      80: 20_000,
      443: 8_443,
      9000: 20_002,
    })
  })

  it('make a definition that its content names', () => {
    const given = {stage: 'prod', ports: [20_000], settings: fargate}
    const families = [image('a'), image('b'), image('c', {stopGraceMs: 30_000})].map(each => {
      const definition = definitionOf(each, given)
      return 'refused' in definition ? assert.fail(definition.refused) : definition.family
    })
    assert.equal(families[0], families[1])
    assert.notEqual(families[0], families[2])
  })
})
