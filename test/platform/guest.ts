// One more agent on the machine of a stage, started as its unit would: with settings of its own, and not a part of the stage that ./bootstrap looks after.
import {type ChildProcess, spawn} from 'node:child_process'
import {mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {root, type Stage} from './stage.ts'

const portRange = '28000-28099'

export class Guest {
  readonly #stage: Stage
  readonly #home: string
  /** Tells its agent that the machine goes, while it is there. */
  readonly noticeFile: string
  #agent: ChildProcess | undefined

  constructor(stage: Stage) {
    this.#stage = stage
    this.#home = join(stage.home, 'guest')
    this.noticeFile = join(stage.folder, 'leaving')
  }

  /** Starts its agent, which joins as the executor `guest` when it has not yet. */
  async start(): Promise<void> {
    const {stage, api, proxy} = this.#stage.urls
    const tokenFile = join(this.#home, 'join-token')
    mkdirSync(this.#home, {recursive: true, mode: 0o700})
    const {stdout} = await this.#stage.must(['token', 'create', `guest-${Date.now()}`, '--scope', 'join', '--json'])
    writeFileSync(tokenFile, `${(JSON.parse(stdout) as {token: string}).token}\n`, {mode: 0o600})
    this.#agent = spawn(process.execPath, [join(root, 'dist/agent.mjs'), this.#home], {
      cwd: this.#home,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: {
        PATH: `${root}node_modules/.bin:${process.env.PATH ?? ''}`,
        LANG: 'C.UTF-8',
        GILLIAM_STAGE: stage,
        GILLIAM_API: api,
        GILLIAM_PROXY: proxy,
        GILLIAM_EXECUTOR: 'guest',
        GILLIAM_EXECUTOR_HOST: '127.0.0.1',
        GILLIAM_AGENT_HOME: this.#home,
        GILLIAM_JOIN_TOKEN_FILE: tokenFile,
        GILLIAM_NOTICE_FILE: this.noticeFile,
        GILLIAM_PORT_RANGE: portRange,
        GILLIAM_LIMITS: 'pids,files',
        GILLIAM_SYNC_BUSY_MS: '100',
        GILLIAM_LOG_LEVEL: 'warn',
      },
    })
  }

  /** Its agent alone: what it runs goes on. */
  async kill(): Promise<void> {
    const agent = this.#agent
    if (agent === undefined || agent.exitCode !== null || agent.signalCode !== null) return
    const gone = new Promise(resolve => agent.once('exit', resolve))
    agent.kill('SIGKILL')
    await gone
  }

  /** Processes of its instances. */
  instances(): number[] {
    const own = `HOME=${this.#home}/instances/`
    return this.#stage
      .processes()
      .filter(({environment}) => environment.split('\0').some(line => line.startsWith(own)))
      .map(({pid}) => pid)
  }
}
