// How long a newcomer waits: from `git clone` over `./bootstrap` and `gilliam deploy` to the first routed 200, with a cold and with a warm npm cache.
import {execFile} from 'node:child_process'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {promisify} from 'node:util'
import {freePort} from '#local/database.ts'
import {get, root, until} from '#test/platform/stage.ts'
import type {Bench, Row} from '../bench.ts'
import {echoHost, writeEchoProject} from '../stages/echo.ts'
import {round} from '../stages/figures.ts'

const execute = promisify(execFile)
const commandTimeoutMs = 300_000

/** What a newcomer's shell has: none of our node, none of our configuration. */
const newcomerEnv = (folder: string, npmCache: string): Record<string, string> => {
  const path = (process.env.PATH ?? '').split(':').filter(part => !part.includes('node_modules'))
  return {PATH: path.join(':'), HOME: folder, LANG: 'C.UTF-8', XDG_CONFIG_HOME: join(folder, 'config'), npm_config_cache: npmCache}
}

const measure = async (scenario: string, npmCache: string): Promise<Row> => {
  const folder = mkdtempSync(join(tmpdir(), 'gilliam-start-'))
  const clone = join(folder, 'gilliam')
  const options = {env: newcomerEnv(folder, npmCache), timeout: commandTimeoutMs, maxBuffer: 16_777_216}
  const ports = [await freePort(), await freePort(), await freePort()].map(String)
  const flags = ['--home', join(folder, 'home')]
  const started = performance.now()
  const seconds = (since: number): number => round((performance.now() - since) / 1_000, 2)
  try {
    await execute('git', ['clone', '--quiet', root, clone], options)
    const cloneSeconds = seconds(started)
    const bootstrapAt = performance.now()
    const portFlags = ['--api-port', ports[0] ?? '', '--router-port', ports[1] ?? '', '--proxy-port', ports[2] ?? '']
    await execute(join(clone, 'bootstrap'), ['--detach', ...flags, ...portFlags], {...options, cwd: clone})
    const bootstrapSeconds = seconds(bootstrapAt)
    const deployAt = performance.now()
    const project = writeEchoProject(join(folder, 'project'), 1)
    await execute(join(clone, 'node_modules/.bin/gilliam'), ['deploy'], {...options, cwd: project})
    const url = `http://127.0.0.1:${ports[1]}/`
    await until('the first routed 200', async () => (await get(url, {host: echoHost})).status === 200)
    return {
      candidate: 'gilliam',
      scenario,
      cloneSeconds,
      bootstrapSeconds,
      deploySeconds: seconds(deployAt),
      totalSeconds: seconds(started),
    }
  } finally {
    await execute(join(clone, 'bootstrap'), ['--stop', ...flags], {...options, cwd: clone})
    rmSync(folder, {recursive: true, force: true})
  }
}

/** `--quick` leaves the cold cache out. Needs git, npm and their network; the clone is of what is committed. */
export const run: Bench = async ({quick, progress}) => {
  const cache = mkdtempSync(join(tmpdir(), 'gilliam-npm-'))
  try {
    const rows: Row[] = []
    if (!quick) {
      progress('cold npm cache')
      rows.push(await measure('cold npm cache', cache))
    }
    progress('warm npm cache')
    const userCache = (await execute('npm', ['config', 'get', 'cache'])).stdout.trim()
    rows.push(await measure('warm npm cache', quick ? userCache : cache))
    return rows
  } finally {
    rmSync(cache, {recursive: true, force: true})
  }
}
