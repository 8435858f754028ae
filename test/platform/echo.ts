// The smallest project worth deploying, for end-to-end tests: one Node service that answers with its own name.
import {mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import type {Answer, Stage} from './stage.ts'

/** The program itself, not the shell that watches it. */
export const echoProgram = /^node server\.mjs$/

const server = `import {createServer} from 'node:http'
const name = process.env.GILLIAM_SERVICE + '.' + process.env.GILLIAM_INSTANCE
const server = createServer((request, response) => response.end(name)).listen(Number(process.env.PORT), process.env.HOST)
process.once('SIGTERM', () => server.close(() => process.exit(0)).closeIdleConnections())
`

const manifest = (scale: number): string => `formation: echo
processes:
  web: {script: exec node server.mjs, ports: [80], scale: ${scale}, health: {http: /}, resources: {cpu: 0.05, memory: 48M}}
routes:
  - 'echo.localhost/{rest:.*}: web.echo.service/{rest}'
`

/** Deploys the formation `echo` with its service `web`, reached at `echo.localhost/…`; returns the project's folder. */
export const deployEcho = async (stage: Stage, scale: number): Promise<string> => {
  const folder = join(stage.folder, 'echo')
  mkdirSync(folder)
  writeFileSync(join(folder, 'server.mjs'), server)
  writeFileSync(join(folder, 'gilliam.yml'), manifest(scale))
  await stage.must(['create', 'echo'], folder)
  await stage.must(['deploy'], folder)
  return folder
}

/** Asks for `web` through the router and the proxy all the time while `task` runs; what was not answered with 200 is returned. */
export const underLoad = async (stage: Stage, task: () => Promise<unknown>): Promise<string[]> => {
  const failures: string[] = []
  let over = false
  const ask = async (from: string, once: () => Promise<Answer>): Promise<void> => {
    while (!over) {
      const {status, text} = await once()
      if (status !== 200) failures.push(`${from}: ${status} ${text}`)
    }
  }
  const asking = [ask('router', () => stage.route('echo.localhost', '/')), ask('proxy', () => stage.through('http://web.echo.service/'))]
  try {
    await task()
  } finally {
    over = true
    await Promise.all(asking)
  }
  return failures
}
