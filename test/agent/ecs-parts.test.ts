// The parts of a Fargate executor by themselves: its role, tasks, sizes and settings.
import assert from 'node:assert/strict'
import {describe, it, type TestContext} from 'node:test'
import {ECSClient} from '@aws-sdk/client-ecs'
import fc from 'fast-check'
import {definitionOf} from '#agent/ecs/definition.ts'
import {proveTaskRole} from '#agent/ecs/proof.ts'
import {taskPortsOf} from '#agent/ecs/request.ts'
import {readFargateSettings} from '#agent/ecs/settings.ts'
import {fargateSizes, taskSizeFor} from '#agent/ecs/sizes.ts'
import {missingMs, Tasks} from '#agent/ecs/tasks.ts'
import type {Assignment} from '#shared/domain/assignment.ts'
import {limitsDefault} from '#shared/domain/release.ts'
import {fargate, image, newClient, quick} from './ecs-stage.ts'
import {FakeEcs} from './fake-ecs.ts'
import {until} from './wait.ts'

describe('the role of a task', () => {
  const credentials = {accessKeyId: 'ASIAIOSFODNN7EXAMPLE', secretAccessKey: 'secret', sessionToken: 'session/token=='}
  const subject = {stage: 'prod', executor: 'fargate', key: 'k'.repeat(43)}
  const at = Date.UTC(2026, 0, 2, 3, 4, 5)

  it('is proven with what the SDK finds, for the region it is in', async () => {
    const {authorization, ...proof} = await proveTaskRole(new ECSClient({region: 'eu-west-1', credentials}), subject, at)
    assert.deepEqual(proof, {region: 'eu-west-1', date: '20260102T030405Z', securityToken: 'session/token=='})
    assert.match(authorization, /Credential=ASIAIOSFODNN7EXAMPLE\/20260102\/eu-west-1\/sts\/aws4_request, /)
    assert.ok(!authorization.includes('secret'))
  })

  it('is not that of a user', async () => {
    const client = new ECSClient({region: 'eu-west-1', credentials: {...credentials, sessionToken: undefined as never}})
    await assert.rejects(proveTaskRole(client, subject, at), /needs the credentials of a role/)
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

  const given = {stage: 'prod', executor: 'fargate', ports: [20_000], settings: fargate, digestKey: Buffer.alloc(32)}
  const define = (change: Partial<Assignment>) => definitionOf(image('a', change), given)
  const made = (change: Partial<Assignment>) => {
    const definition = define(change)
    return 'refused' in definition ? assert.fail(definition.refused) : definition
  }

  it('say how a service asked to be run, in a definition of its own', () => {
    const plain = made({})
    const limits = {pidsMax: limitsDefault.pidsMax, filesMax: 4_096}
    const asked = made({user: '1000:1000', readOnly: true, limits})
    const [container] = asked.containerDefinitions ?? []
    assert.deepEqual([container?.user, container?.readonlyRootFilesystem], ['1000:1000', true])
    assert.deepEqual(container?.ulimits, [{name: 'nofile', softLimit: 4_096, hardLimit: 4_096}])
    const mounted = container?.mountPoints?.map(({sourceVolume, containerPath}) => [sourceVolume, containerPath])
    assert.deepEqual(mounted, [
      ['tmp', '/tmp'],
      ['run', '/run'],
    ])
    assert.deepEqual(asked.volumes, [{name: 'tmp'}, {name: 'run'}])
    const [without] = plain.containerDefinitions ?? []
    assert.deepEqual([without?.user, without?.readonlyRootFilesystem, without?.ulimits, plain.volumes], Array(4).fill(undefined))
    assert.equal(new Set([plain, asked, made({user: '1000:1000'}), made({readOnly: true})].map(({family}) => family)).size, 4)
  })

  it('refuse what Fargate can not do, with what to do about it', () => {
    const limits = {pidsMax: 10, filesMax: limitsDefault.filesMax}
    const sha256 = 'a'.repeat(64)
    const project = {image: undefined, script: 'node .', slug: {sha256, bytes: 1}}
    for (const [change, reason] of [
      [{volume: {path: '/data', id: 'v1'}}, /keeps no volume/],
      [{imageArchive: {sha256, bytes: 1}}, /push it to a registry/],
      [{limits}, /`limits.pids`/],
      [{...project, args: ['x']}, /`args` are for the entry point/],
      [{...project, readOnly: true, user: 'node'}, /leave `user` or `read_only` out/],
    ] as const) {
      const definition = define(change)
      assert.ok('refused' in definition, JSON.stringify(change))
      assert.match(definition.refused, reason)
    }
    const stacked = {...given, settings: {...fargate, stackImage: 'node:24'}}
    for (const change of [{readOnly: true}, {user: '1000'}, {readOnly: true, user: 'root:root'}])
      assert.ok('family' in definitionOf(image('a', {...project, ...change}), stacked), JSON.stringify(change))
  })

  it('make a definition that its content names', () => {
    const families = [made({id: 'a'}), made({id: 'b'}), made({stopGraceMs: 30_000})].map(({family}) => family)
    assert.equal(families[0], families[1])
    assert.notEqual(families[0], families[2])
  })
})
