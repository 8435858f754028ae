// `./bootstrap --install`: the stage as a unit of systemd, the machine's or the user's own, so that it is there after every boot. Owns the unit's text and
// what is run to enable it; how the stage is started and stopped is what the unit calls.
import {spawn} from 'node:child_process'
import {mkdir, rm, writeFile} from 'node:fs/promises'
import {homedir} from 'node:os'
import {dirname, join} from 'node:path'
import type {Environment} from '#shared/config.ts'
import {BootstrapError} from './options.ts'

/** Instances may take as long as their grace to stop, and so may who waits for them. */
const stopSeconds = 400

export interface StageUnit {
  readonly stage: string
  /** Absolute paths. */
  readonly home: string
  readonly bootstrap: string
  readonly env: Environment
  /** Of the machine; else of the user. */
  readonly isSystem: boolean
}

export const stageUnitName = (stage: string): string => `gilliam-stage-${stage}.service`

/** As a word of a unit (systemd.syntax(7)): specifiers and quotes have no meaning in it. Throws for what no unit can hold. */
const word = (text: string): string => {
  if (/[\0\n]/.test(text)) throw new BootstrapError('a path or variable with a line’s end in it can not be written into a unit')
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%')}"`
}

/** An argument of a command, where variables are put in as well; they are not in the program’s own path (systemd.service(5)). */
const argument = (text: string): string => word(text).replaceAll('$', '$$$$')

/** What every start is to have. Others may read a unit: what is a secret stays out of it. */
const variablesOf = (env: Environment): string[] =>
  Object.entries(env).flatMap(([name, value]) => {
    const isOurs = ['PATH', 'HOME', 'LANG', 'TZ', 'XDG_STATE_HOME', 'XDG_CONFIG_HOME'].includes(name) || /^GILLIAM_[A-Z_]+$/.test(name)
    return value === undefined || !isOurs || /TOKEN$|SECRET|PASSWORD/.test(name) ? [] : [`Environment=${word(`${name}=${value}`)}`]
  })

/**
 * The lines of the unit. In the foreground, so that systemd starts the watcher again as the watcher starts its parts; `KillMode=process`, so that the parts
 * outlive it until `--stop` ends them in their order.
 */
export const stageUnit = ({stage, home, bootstrap, env, isSystem}: StageUnit): string[] => {
  const command = [word(bootstrap), '--home', argument(home)].join(' ')
  return [
    '[Unit]',
    `Description=Gilliam stage ${stage}`,
    ...(isSystem ? ['After=network-online.target docker.service', 'Wants=network-online.target'] : []),
    'StartLimitIntervalSec=0',
    '[Service]',
    ...variablesOf(env),
    `ExecStart=${command}`,
    `ExecStop=${command} --stop`,
    'Restart=always',
    'RestartSec=2',
    'KillMode=process',
    `TimeoutStopSec=${stopSeconds}`,
    'TasksMax=infinity',
    '[Install]',
    `WantedBy=${isSystem ? 'multi-user.target' : 'default.target'}`,
  ]
}

/** Where such units are (systemd.unit(5)). */
export const unitFileOf = ({stage, isSystem, env}: Pick<StageUnit, 'stage' | 'isSystem' | 'env'>): string =>
  join(isSystem ? '/etc/systemd/system' : join(env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'systemd', 'user'), stageUnitName(stage))

interface Ended {
  readonly code: number | null
  readonly output: string
}

const run = (env: Environment, program: string, ...args: readonly string[]): Promise<Ended> =>
  new Promise(resolve => {
    const child = spawn(program, args, {env, stdio: ['ignore', 'pipe', 'pipe']})
    let output = ''
    const take = (text: Buffer): void => {
      output = `${output}${text}`.slice(0, 500)
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    child.once('error', error => resolve({code: null, output: error.message}))
    child.once('close', code => resolve({code, output: output.trim()}))
  })

/** `systemctl` of the machine or of the user. */
const systemctlOf =
  ({env, isSystem}: Pick<StageUnit, 'env' | 'isSystem'>) =>
  async (...args: readonly string[]): Promise<void> => {
    const {code, output} = await run(env, 'systemctl', ...(isSystem ? [] : ['--user']), ...args)
    if (code !== 0) throw new BootstrapError(`systemctl ${args.join(' ')}: ${output || `exit code ${code}`}`)
  }

/** Whether there is a systemd to talk to: all states but these are of one that runs (systemctl(1), `is-system-running`). */
const checkSystemd = async ({env, isSystem}: StageUnit): Promise<void> => {
  const {output} = await run(env, 'systemctl', ...(isSystem ? [] : ['--user']), 'is-system-running')
  if (/^(initializing|starting|running|degraded|maintenance)$/.test(output)) return
  throw new BootstrapError(
    `no systemd runs here${isSystem ? '' : ' for this user'} (${output || 'no systemctl'}); ./bootstrap --detach starts a stage that lasts until the machine ends`,
  )
}

/** Writes the unit, enables and starts it; answers its file. `say` hears what is left to do. Throws BootstrapError. */
export const installStage = async (unit: StageUnit, say: (text: string) => void): Promise<string> => {
  await checkSystemd(unit)
  const file = unitFileOf(unit)
  const systemctl = systemctlOf(unit)
  await mkdir(dirname(file), {recursive: true})
  await writeFile(file, `${stageUnit(unit).join('\n')}\n`, {mode: 0o644})
  await systemctl('daemon-reload')
  await systemctl('enable', stageUnitName(unit.stage))
  await systemctl('restart', stageUnitName(unit.stage))
  if (unit.isSystem) return file
  const {code} = await run(unit.env, 'loginctl', 'enable-linger')
  if (code !== 0) say('it starts when you log in; to have it start at boot: loginctl enable-linger')
  return file
}

/** Stops the stage and removes its unit. Throws BootstrapError. */
export const uninstallStage = async (unit: StageUnit): Promise<void> => {
  await checkSystemd(unit)
  const systemctl = systemctlOf(unit)
  await systemctl('disable', '--now', stageUnitName(unit.stage))
  await rm(unitFileOf(unit), {force: true})
  await systemctl('daemon-reload')
}
