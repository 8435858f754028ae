// Agents of a Fargate executor that follow each other, and what they leave behind: tasks taken over, definitions and secrets removed.
import assert from 'node:assert/strict'
import {rmSync} from 'node:fs'
import {join} from 'node:path'
import {describe, it} from 'node:test'
import {fresh} from '#agent/ecs/definitions.ts'
import {createStrayEnder} from '#agent/runtime/ecs.ts'
import type {Assignment} from '#shared/domain/assignment.ts'
import {image, stage} from './ecs-stage.ts'
import {temporaryFolder} from './fixtures.ts'
import {until} from './wait.ts'

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
    const endStrays = createStrayEnder(tasks)
    assert.deepEqual(await endStrays(key => agent.records.has(key)), [], 'another agent may have started it just now')
    assert.deepEqual(await endStrays(key => agent.records.has(key)), ['crm.users.b'])
    await until(() => b.desiredStatus === 'STOPPED')
    assert.deepEqual([ecs.tasks.length, a.desiredStatus], [2, 'RUNNING'])
  })
})

describe('secrets on Fargate', {concurrency: true}, () => {
  const secret = (id: string, value: string, change: Partial<Assignment> = {}) =>
    image(id, {env: {KEY: value, PORT_80: 'x', EMPTY: '', PLAIN: 'hello'}, secretEnv: ['KEY', 'PORT_80', 'EMPTY'], ...change})

  it('are parameters that the definition names: in no request that ECS shows, nor in what lasts', async t => {
    const {plane, ecs, parameters, start, taskOf} = await stage(t)
    await start()
    plane.assign(secret('a', 'hunter2'), secret('b', 'hunter2'), secret('c', 'swordfish'))
    const {input} = await taskOf('a')
    await taskOf('b')
    await taskOf('c')
    const all = JSON.stringify([[...ecs.definitions.values()], ecs.tasks.map(task => task.input)])
    assert.doesNotMatch(all, /hunter2|swordfish/)
    assert.match(all, /hello/)
    assert.deepEqual([...parameters.values()].map(({value, type}) => `${type} ${value}`).sort(), [
      'SecureString hunter2',
      'SecureString swordfish',
    ])
    assert.equal(ecs.definitions.size, 2, 'what is alike shares one')
    const family = /task-definition\/(.*):1$/.exec(input.taskDefinition ?? '')?.[1] ?? ''
    const {secrets} = ecs.definitions.get(family)?.containerDefinitions?.[0] ?? {}
    assert.deepEqual(secrets, [{name: 'KEY', valueFrom: `/gilliam-tasks/prod/fargate/${family}/KEY`}])
    assert.equal(parameters.get(`/gilliam-tasks/prod/fargate/${family}/KEY`)?.value, 'hunter2')
  })

  it('are refused when no parameter holds them', async t => {
    const {plane, ecs, start} = await stage(t)
    await start()
    plane.assign(secret('a', 'x'.repeat(8_193)))
    const {reason} = await plane.reported('a', ({state}) => state === 'failed')
    assert.match(reason ?? '', /^the secret in KEY is larger than the 8192 bytes/)
    assert.equal(ecs.tasks.length, 0)
  })

  it('are gone with their definition, once nothing is of it: not while anything runs or may start', async t => {
    const {plane, ecs, parameters, clock, start, stop, taskOf} = await stage(t)
    const first = await start()
    plane.assign(secret('a', 'hunter2'), image('b'))
    for (const id of ['a', 'b']) ecs.run(await taskOf(id))
    await plane.reported('a', ({state}) => state === 'running')
    const kept = () => [ecs.definitions.size, parameters.size]
    for (let times = 0; times < 3; times++) await first.sweep()
    assert.deepEqual(kept(), [2, 1])
    clock.ahead += fresh.ms + 60_000
    for (let times = 0; times < 3; times++) await first.sweep()
    assert.deepEqual(kept(), [2, 1], 'both run')
    plane.assign(image('b'))
    const task = await taskOf('a')
    await until(() => task.desiredStatus === 'STOPPED')
    while (task.lastStatus !== 'STOPPED') ecs.step(task)
    await until(() => !first.agent.records.has('crm.users.a'))
    await stop()
    // The next agent knows of nothing but what ECS tells.
    clock.ahead += 60_000
    const next = await start(temporaryFolder(t))
    await until(() => next.agent.records.has('crm.users.b'))
    await next.sweep()
    assert.deepEqual(kept(), [2, 1], 'another agent may be about to use it')
    clock.ahead += 60_000
    await next.sweep()
    assert.deepEqual(kept(), [1, 0])
    plane.assign(image('b'), secret('d', 'hunter2'))
    await taskOf('d')
    assert.deepEqual(kept(), [2, 1], 'registered anew when it is wanted again')
  })
})

describe('an agent of a Fargate executor whose place is taken', {concurrency: true}, () => {
  it('leaves the tasks to who took it: they go on, and the other one stops them when they are to stop', async t => {
    let taken = 0
    const {plane, ecs, start, stop, taskOf} = await stage(t, {}, {onTaken: () => void taken++})
    await start()
    plane.assign(image('a'))
    const a = await taskOf('a')
    ecs.run(a)
    await plane.reported('a', ({state}) => state === 'running')
    const former = stop
    plane.refuseCredential()
    plane.taken = true
    await until(() => taken > 0)
    await former()
    plane.taken = false
    await start(temporaryFolder(t))
    plane.reports.length = 0
    plane.assign(image('a'), image('b'))
    await plane.reported('a', ({state}) => state === 'running')
    await taskOf('b')
    assert.deepEqual([ecs.tasks.length, a.desiredStatus], [2, 'RUNNING'])
    plane.assign(image('a', {stop: true}), image('b'))
    await until(() => a.desiredStatus === 'STOPPED')
  })
})
