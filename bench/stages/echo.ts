// The smallest project worth measuring with: one Node service that answers with the id of its instance, and a route to it.
import {mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

export const echoFormation = 'echo'
export const echoHost = 'echo.localhost'

export const echoServer = `import {createServer} from 'node:http'
const id = process.env.GILLIAM_INSTANCE ?? 'bare'
const server = createServer((request, response) => response.end(id)).listen(Number(process.env.PORT), '127.0.0.1')
process.once('SIGTERM', () => server.close(() => process.exit(0)).closeIdleConnections())
`

const manifest = (scale: number): string => `formation: ${echoFormation}
processes:
  web: {script: exec node server.mjs, ports: [80], scale: ${scale}, health: {http: /}, resources: {cpu: 0.05, memory: 48M}}
routes:
  - '${echoHost}/{rest:.*}: web.${echoFormation}.service/{rest}'
`

/** Writes the project to `folder`, which must not exist, and returns it. */
export const writeEchoProject = (folder: string, scale: number): string => {
  mkdirSync(folder)
  writeFileSync(join(folder, 'server.mjs'), echoServer)
  writeFileSync(join(folder, 'gilliam.yml'), manifest(scale))
  return folder
}
