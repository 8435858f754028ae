// The composition root of the agent of a Fargate executor: the same agent, whose instances are tasks. SIGTERM and SIGINT leave them running; SIGUSR2 stops them
// first.
import {ECSClient} from '@aws-sdk/client-ecs'
import {required} from '#shared/config.ts'
import {createLogger} from '#shared/log.ts'
import {runAgent} from '../run.ts'
import {endStrayTasks} from '../runtime/ecs.ts'
import {readSettings} from '../settings.ts'
import {readProgram} from '../upgrade/program.ts'
import {tasksOnEcs} from './compose.ts'
import {readFargateSettings} from './settings.ts'

const strayEveryMs = 60_000

const fail = (error: unknown): never => {
  process.stderr.write(`gilliam agent: ${error instanceof Error ? error.message : error}\n`)
  process.exit(1)
}

const start = async () => {
  const {env} = process
  const fargate = readFargateSettings(required(env, 'GILLIAM_FARGATE'))
  const {descriptor, ...rest} = await readSettings(env, process.execPath)
  const runtimes = fargate.stackImage === undefined ? (['docker'] as const) : (['docker', 'process'] as const)
  const settings = {...rest, descriptor: {...descriptor, runtimes}}
  // Its image is what it is upgraded by.
  const program = await readProgram({}, process.argv[1] ?? '', process.execPath)
  const log = createLogger('agent', {level: settings.logLevel})
  const now = () => performance.timeOrigin + performance.now()
  const {stage} = settings.environment
  const home = tasksOnEcs({client: new ECSClient({}), settings: fargate, stage, executor: descriptor.id, log, now, random: Math.random})
  const running = await runAgent(settings, {...home, log, program, wallClock: Date.now, random: Math.random})
  log.info({executor: descriptor.id, cluster: fargate.cluster, pid: process.pid}, 'agent runs')
  const sweep = async (): Promise<void> => {
    // Before the first answer of the control plane nobody knows what is to run.
    if (running.agent.assignmentVersion === 0) return
    const strays = await endStrayTasks(home.tasks, key => running.agent.records.has(key))
    if (strays.length > 0) log.warn({instances: strays}, 'stopped tasks that no record was left of')
  }
  setInterval(() => void sweep().catch(error => log.warn({err: error}, 'could not look for strays')), strayEveryMs)
  return {...running, log}
}

const {leave, suspend, log} = await start().catch(fail)

const end = (signal: string, how: () => Promise<void>): void => {
  log.info({signal}, 'agent leaves')
  how().then(() => process.exit(0), fail)
}
process.once('SIGTERM', () => end('SIGTERM', leave))
process.once('SIGINT', () => end('SIGINT', leave))
process.once('SIGUSR2', () => end('SIGUSR2', suspend))
