// The agent's composition root: reads the environment, starts, and obeys signals. SIGTERM and SIGINT leave instances running; SIGUSR2 stops them first.
import {createLogger} from '#shared/log.ts'
import {processesHere} from './processes.ts'
import {runAgent} from './run.ts'
import {readSettings, withLabels} from './settings.ts'

const fail = (error: unknown): never => {
  process.stderr.write(`gilliam agent: ${error instanceof Error ? error.message : error}\n`)
  process.exit(1)
}

const settings = await readSettings(process.env, process.execPath).catch(fail)
const log = createLogger('agent', {level: settings.logLevel})

const start = () => {
  const {enforced, ...home} = processesHere(settings, log)
  const world = {...home, log, wallClock: Date.now, random: Math.random}
  return runAgent(withLabels(settings, {limits: enforced.join(' ')}), world)
}
const {leave, suspend} = await Promise.resolve().then(start).catch(fail)
log.info({executor: settings.descriptor.id, pid: process.pid}, 'agent runs')

const end = (signal: string, how: () => Promise<void>): void => {
  log.info({signal}, 'agent leaves')
  how().then(() => process.exit(0), fail)
}
process.once('SIGTERM', () => end('SIGTERM', leave))
process.once('SIGINT', () => end('SIGINT', leave))
process.once('SIGUSR2', () => end('SIGUSR2', suspend))
