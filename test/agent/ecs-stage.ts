// What the tests of a Fargate executor share: the real agent, in this process, with ECS as a state machine behind the SDK's client, and a tiny control plane.
import assert from 'node:assert/strict'
import {writeFileSync} from 'node:fs'
import {join} from 'node:path'
import type {TestContext} from 'node:test'
import {ECSClient} from '@aws-sdk/client-ecs'
import {SSMClient} from '@aws-sdk/client-ssm'
import type {World} from '#agent/compose.ts'
import {tasksOnEcs} from '#agent/ecs/compose.ts'
import {type FargateSettings, readFargateSettings} from '#agent/ecs/settings.ts'
import {createSweep} from '#agent/ecs/sweep.ts'
import {runAgent} from '#agent/run.ts'
import {readSettings} from '#agent/settings.ts'
import type {Assignment} from '#shared/domain/assignment.ts'
import {createLogger} from '#shared/log.ts'
import {ControlPlane} from './control-plane.ts'
import {FakeEcs, fakeParameters} from './fake-ecs.ts'
import {assignment, temporaryFolder} from './fixtures.ts'
import {until} from './wait.ts'

const log = createLogger('test', {level: 'silent'})
export const fargate: FargateSettings = readFargateSettings(
  JSON.stringify({
    cluster: 'gilliam',
    subnets: ['subnet-1'],
    securityGroups: ['sg-1'],
    executionRole: 'arn:role/execution',
    logGroup: 'services',
    region: 'eu-west-1',
  }),
)
export const quick = {random: () => 0, wait: async () => undefined, pollMs: {busy: 10, calm: 20}}
export const newClient = () => new ECSClient({region: 'eu-west-1', credentials: {accessKeyId: 'none', secretAccessKey: 'none'}})

export const image = (id: string, change: Partial<Assignment> = {}): Assignment =>
  assignment(id, {image: 'registry.test/users@sha256:1', script: undefined, stopGraceMs: 1_500, ...change})

/** A control plane, a fake ECS, and agents that follow each other in one home. */
export const stage = async (t: TestContext, settings: Partial<FargateSettings> = {}, more: Partial<World> = {}) => {
  const [plane, client] = [await ControlPlane.start(), newClient()]
  const ecs = new FakeEcs(client)
  const ssm = new SSMClient({region: 'eu-west-1', credentials: {accessKeyId: 'none', secretAccessKey: 'none'}})
  const parameters = fakeParameters(ssm)
  const clock = {ahead: 0}
  let leave = async (): Promise<void> => undefined
  // Cleaning up goes in the order it was asked for: the agent first, then its folder.
  t.after(async () => {
    await leave()
    await plane.close()
  })
  const firstHome = temporaryFolder(t)
  writeFileSync(join(firstHome, 'join'), 'join me')
  const start = async (home = firstHome) => {
    const environment = {
      GILLIAM_API: plane.url,
      GILLIAM_EXECUTOR: 'fargate',
      GILLIAM_STAGE: 'prod',
      GILLIAM_AGENT_HOME: home,
      GILLIAM_JOIN_TOKEN_FILE: join(firstHome, 'join'),
      GILLIAM_SYNC_BUSY_MS: '20',
      PATH: '/agents/own',
    }
    const now = () => performance.timeOrigin + performance.now() + clock.ahead
    const all = {...fargate, ...settings}
    const onEcs = tasksOnEcs({...quick, client, ssm, settings: all, stage: 'prod', executor: 'fargate', log, now})
    const read = await readSettings(environment, process.execPath)
    const running = await runAgent(read, {...onEcs, ...more, log, wallClock: Date.now, random: Math.random})
    leave = async () => {
      await running.leave()
      await onEcs.tasks.close()
    }
    const {tasks, definitions} = onEcs
    const sweep = createSweep({tasks, definitions}, log)
    return {...running, tasks, sweep: () => sweep(running.agent)}
  }
  const taskOf = async (id: string, n = 0) => {
    await until(() => ecs.of(`crm.users.${id}`).length > n)
    return ecs.of(`crm.users.${id}`)[n] ?? assert.fail()
  }
  const stop = () => leave()
  plane.nextSyncMs = 20
  return {plane, ecs, parameters, clock, home: firstHome, start, stop, taskOf}
}
