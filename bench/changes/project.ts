// The project that changes are made to: one Node service that says which release and instance it is, and a route to it.
import {mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

export const formation = 'changes'
export const service = 'web'
export const host = 'changes.localhost'

/** Instances that changes begin and end with. */
export const instances = 3

const server = `import {createServer} from 'node:http'
const {GILLIAM_RELEASE, GILLIAM_INSTANCE, PORT} = process.env
const padding = 'x'.repeat(512)
const answers = {
  get: (n, response) => response.end(n + ' ' + padding),
  slow: (n, response, [ms]) => setTimeout(() => response.end(n + ' ' + padding), Number(ms)),
  stream: (n, response) => {
    let piece = 0
    const timer = setInterval(() => {
      response.write(n + ':' + piece + ' ' + padding + '\\n')
      piece += 1
      if (piece < 6) return
      clearInterval(timer)
      response.end()
    }, 10)
  },
  post: (n, response, _, request) => {
    const pieces = []
    request.on('data', piece => pieces.push(piece)).on('end', () => response.end(Buffer.concat(pieces)))
  },
  healthz: (n, response) => response.end('well'),
}
const server = createServer((request, response) => {
  const [shape, n, ...rest] = request.url.slice(1).split('/')
  response.setHeader('x-release', GILLIAM_RELEASE).setHeader('x-instance', GILLIAM_INSTANCE)
  const answer = answers[shape]
  if (answer === undefined) response.writeHead(404).end()
  else answer(n, response, rest, request)
})
server.listen(Number(PORT), '127.0.0.1')
process.once('SIGTERM', () => server.close(() => process.exit(0)))
`

const manifest = `formation: ${formation}
processes:
  ${service}:
    script: exec node server.mjs
    ports: [80]
    scale: ${instances}
    health: {http: /healthz}
    resources: {cpu: 0.05, memory: 64M}
routes:
  - '${host}/{rest:.*}: ${service}.${formation}.service/{rest}'
`

/** Writes the project to `folder`, which must not exist, and returns it. */
export const writeProject = (folder: string): string => {
  mkdirSync(folder)
  writeFileSync(join(folder, 'server.mjs'), server)
  writeFileSync(join(folder, 'gilliam.yml'), manifest)
  return folder
}

/** Makes the project another one, so that its next release has a slug of its own. */
export const touchProject = (folder: string, count: number): void => writeFileSync(join(folder, 'version.txt'), `${count}\n`)
