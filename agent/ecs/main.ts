// The composition root of the agent of a Fargate executor: the same agent, whose instances are tasks. SIGTERM and SIGINT leave them running; SIGUSR2 stops them
// first. It leaves by itself, with code 3, when another agent has taken its place.
import {ECSClient} from '@aws-sdk/client-ecs'
import {SSMClient} from '@aws-sdk/client-ssm'
import {required} from '#shared/config.ts'
import {noVolumesLabel} from '#shared/domain/volume.ts'
import {createLogger} from '#shared/log.ts'
import {type RunningAgent, runAgent} from '../run.ts'
import {layoutOf, readSettings, withLabels} from '../settings.ts'
import {readProgram} from '../upgrade/program.ts'
import {tasksOnEcs} from './compose.ts'
import {proveTaskRole} from './proof.ts'
import {startReading} from './reading.ts'
import {readFargateSettings} from './settings.ts'
import {startSweeping} from './sweep.ts'

/** cdk/constructs/fargate.ts does not have it started again for this one. */
const exitTaken = 3

const fail = (error: unknown): never => {
  process.stderr.write(`gilliam agent: ${error instanceof Error ? error.message : error}\n`)
  process.exit(1)
}

const start = async () => {
  const {env} = process
  const fargate = readFargateSettings(required(env, 'GILLIAM_FARGATE'))
  const {descriptor, ...rest} = await readSettings(env, process.execPath)
  const runtimes = fargate.stackImage === undefined ? (['docker'] as const) : (['docker', 'process'] as const)
  const settings = withLabels({...rest, descriptor: {...descriptor, runtimes}}, {[noVolumesLabel]: 'true'})
  // Its image is what it is upgraded by.
  const program = await readProgram({}, process.argv[1] ?? '', process.execPath)
  const log = createLogger('agent', {level: settings.logLevel})
  const now = () => performance.timeOrigin + performance.now()
  const {stage} = settings.environment
  const client = new ECSClient({})
  const home = tasksOnEcs({
    client,
    ssm: new SSMClient({}),
    settings: fargate,
    stage,
    executor: descriptor.id,
    log,
    now,
    random: Math.random,
  })
  const prove = (key: string) => proveTaskRole(client, {stage, executor: descriptor.id, key}, Date.now())
  let running: RunningAgent | undefined
  // Its tasks are the other's by now.
  const onTaken = () => void running?.leave().then(() => process.exit(exitTaken), fail)
  running = await runAgent(settings, {...home, prove, onTaken, log, program, wallClock: Date.now, random: Math.random})
  log.info({executor: descriptor.id, cluster: fargate.cluster, pid: process.pid}, 'agent runs')
  startSweeping(running.agent, home, log)
  startReading(
    running.agent,
    {settings: fargate, executor: descriptor.id, tasks: home.tasks, instances: layoutOf(settings.home).instances},
    log,
  )
  return {...running, log}
}

const {leave, suspend, log} = await start().catch(fail)

const end = (signal: string, how: () => Promise<void>): void => {
  log.info({signal}, 'agent leaves')
  how().then(() => process.exit(0), fail)
}
process.once('SIGTERM', () => end('SIGTERM', leave))
process.once('SIGINT', () => end('SIGINT', leave))
// Asked again, it goes on: what it stops has its grace.
let isSuspending = false
process.on('SIGUSR2', () => {
  if (!isSuspending) end('SIGUSR2', suspend)
  isSuspending = true
})
