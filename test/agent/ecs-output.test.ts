// What tasks write, read from CloudWatch: each line once, in the file of its instance, also when it comes late or the calls fail in between.
import assert from 'node:assert/strict'
import {existsSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {type TestContext, test} from 'node:test'
import {CloudWatchLogsClient, FilterLogEventsCommand, type FilterLogEventsCommandInput} from '@aws-sdk/client-cloudwatch-logs'
import {mockClient} from 'aws-sdk-client-mock'
import {lateMsMax, TaskOutput} from '#agent/ecs/output.ts'
import type {TaskView} from '#agent/ecs/task.ts'
import {temporaryFolder} from './fixtures.ts'

interface Written {
  readonly eventId: string
  readonly logStreamName: string
  readonly timestamp: number
  readonly message: string
}

const task = (id: string, key: string): TaskView => ({
  arn: `arn:aws:ecs:eu-west-1:1:task/gilliam/${id}`,
  key,
  state: 'running',
  isStopping: false,
  exit: {},
  family: '',
  createdAt: 0,
})

/** CloudWatch in pages of two, and what reads from it. */
const world = (t: TestContext) => {
  const folder = temporaryFolder(t)
  const written: Written[] = []
  const asked: FilterLogEventsCommandInput[] = []
  const state = {now: 1_000_000, fails: false}
  const client = new CloudWatchLogsClient({region: 'eu-west-1', credentials: {accessKeyId: 'none', secretAccessKey: 'none'}})
  mockClient(client)
    .on(FilterLogEventsCommand)
    .callsFake((input: FilterLogEventsCommandInput) => {
      if (state.fails) throw new Error('Rate exceeded')
      asked.push(input)
      const {startTime = 0, logStreamNamePrefix = '', nextToken} = input
      const fitting = written.filter(
        ({timestamp, logStreamName}) => timestamp >= startTime && logStreamName.startsWith(logStreamNamePrefix),
      )
      const at = Number(nextToken ?? 0)
      return {events: fitting.slice(at, at + 2), ...(at + 2 < fitting.length && {nextToken: String(at + 2)})}
    })
  const write = (id: string, timestamp: number, message: string, executor = 'fargate') =>
    written.push({eventId: `e${written.length}`, logStreamName: `_tasks/${executor}/crm/users/instance/${id}`, timestamp, message})
  const output = new TaskOutput({
    client,
    logGroup: 'services',
    prefix: '_tasks/fargate/',
    tasks: {list: async () => [task('t1', 'crm.users.a'), task('t2', 'crm.users.b'), task('t3', '../../etc')]},
    isKnown: key => key.startsWith('crm.'),
    directoryOf: key => join(folder, key),
    now: () => state.now,
  })
  return {folder, asked, state, write, output, linesOf: (key: string) => readFileSync(join(folder, key, 'out.log'), 'utf8')}
}

test('what tasks write', async t => {
  const {folder, asked, state, write, output, linesOf} = world(t)

  await t.test('goes to the file of its instance, over all pages', async () => {
    write('t1', state.now, 'one')
    write('t2', state.now + 1, 'from b')
    write('t1', state.now + 2, 'two')
    write('t1', state.now + 3, 'of another executor', 'fargate-2')
    await output.read()
    assert.deepEqual([linesOf('crm.users.a'), linesOf('crm.users.b')], ['one\ntwo\n', 'from b\n'])
    assert.equal(asked.length, 2)
  })

  await t.test('is read once, also what shows up late and after a failure', async () => {
    state.now += 10_000
    state.fails = true
    await assert.rejects(output.read(), /Rate exceeded/)
    state.fails = false
    write('t1', state.now - 5_000, 'late')
    write('t1', state.now, 'three')
    await output.read()
    await output.read()
    assert.equal(linesOf('crm.users.a'), 'one\ntwo\nlate\nthree\n')
  })

  await t.test('of instances nobody knows goes nowhere', async () => {
    write('t3', state.now, 'outside')
    write('t9', state.now, 'of no task')
    await output.read()
    assert.equal(existsSync(join(folder, '../../etc/out.log')), false)
    assert.equal(linesOf('crm.users.a'), 'one\ntwo\nlate\nthree\n')
  })

  await t.test('is looked for no longer than it may be late', async () => {
    state.now += 10 * lateMsMax
    write('t1', state.now, 'much later')
    await output.read()
    await output.read()
    assert.equal(asked.at(-1)?.startTime, state.now - lateMsMax)
    assert.match(linesOf('crm.users.a'), /three\nmuch later\n$/)
  })
})
