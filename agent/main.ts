// The agent's composition root: reads the environment, starts, and obeys signals. SIGTERM and SIGINT leave instances running; SIGUSR2 stops them first.
// `doctor` looks at the host instead; `version` says which bundle this is. `prove` is another program: it answers one question of an agent that is kept from its machine's metadata, on the socket that it has for its input and output.
import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {read, required} from '#shared/config.ts'
import {describeFindings, examine, parseEnvironment} from '#shared/host/doctor.ts'
import {hostSettings} from '#shared/host/doctor-settings.ts'
import {places} from '#shared/host/install.ts'
import {createLogger} from '#shared/log.ts'
import type {Home} from './compose.ts'
import {processesHere} from './processes.ts'
import {answerProof} from './prover.ts'
import {runAgent} from './run.ts'
import {readSettings, withLabels} from './settings.ts'
import {readProgram} from './upgrade/program.ts'
import {upgradeExitCode} from './upgrade/upgrades.ts'

const fail = (error: unknown): never => {
  process.stderr.write(`gilliam agent: ${error instanceof Error ? error.message : error}\n`)
  process.exit(1)
}

const prove = async (env: NodeJS.ProcessEnv): Promise<void> => {
  const subject = {stage: read(env, 'GILLIAM_STAGE', 'local'), executor: required(env, 'GILLIAM_EXECUTOR')}
  // Where systemd puts a file that the program's own user may not read.
  const keyFile = join(env.CREDENTIALS_DIRECTORY ?? required(env, 'GILLIAM_AGENT_HOME'), 'key')
  const metadata = env.AWS_EC2_METADATA_SERVICE_ENDPOINT
  process.stdout.write(await answerProof({subject, keyFile, now: Date.now, ...(metadata !== undefined && {metadata})}))
}

if (process.argv[2] === 'prove') {
  await prove(process.env).catch(fail)
  process.exit(0)
}

if (process.argv[2] === 'doctor') {
  // Where only the agent is installed.
  const installed = await readFile(places.environment, 'utf8').then(parseEnvironment, () => ({}))
  const findings = await Promise.resolve()
    .then(() => examine(hostSettings({...installed, ...process.env}, Date.now)))
    .catch(fail)
  process.stdout.write(process.argv[3] === '--json' ? `${JSON.stringify({items: findings})}\n` : describeFindings(findings))
  process.exit(findings.some(({state}) => state === 'fail') ? 1 : 0)
}

const program = await readProgram(process.env, process.argv[1] ?? '', process.execPath).catch(fail)

if (process.argv[2] === 'version') {
  process.stdout.write(`${program.version}\n`)
  process.exit(0)
}

const settings = await readSettings(process.env, process.execPath).catch(fail)
const log = createLogger('agent', {level: settings.logLevel})

/** What instances run by, and what of their bounds holds for processes. */
const homeHere = async (): Promise<{home: Home; limits: string}> => {
  const {enforced, ...processes} = processesHere(settings, log)
  const limits = enforced.join(' ')
  const {runtimes, containers, home, environment} = settings
  if (!runtimes.includes('docker')) return {home: processes, limits}
  // Most agents have no containers.
  const {containersOn} = await import('./containers/compose.ts')
  const owner = `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`
  const {limits: held} = settings
  const options = {...environment, settings: containers, runtimes, home, owner, limits: held, wallClock: Date.now, processes, log}
  return {home: containersOn(options), limits}
}

const start = async () => {
  const {home, limits} = await homeHere()
  return runAgent(withLabels(settings, {limits}), {...home, log, program, wallClock: Date.now, random: Math.random})
}
const {leave, handOver, suspend, switched} = await start().catch(fail)
log.info({executor: settings.descriptor.id, pid: process.pid}, 'agent runs')

const end = (signal: string, how: () => Promise<void>, code = 0): void => {
  log.info({signal}, 'agent leaves')
  how().then(() => process.exit(code), fail)
}
void switched.then(() => end('upgrade', handOver, upgradeExitCode))
process.once('SIGTERM', () => end('SIGTERM', leave))
process.once('SIGINT', () => end('SIGINT', leave))
// Asked again, it goes on: what it stops has its grace.
let isSuspending = false
process.on('SIGUSR2', () => {
  if (!isSuspending) end('SIGUSR2', suspend)
  isSuspending = true
})
