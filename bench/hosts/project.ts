// What runs on the hosts while faults strike: services that say who they are in every answer, and take their memory or their processes when told to by a
// signal. Owns their manifests; starts nothing.
import {mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

/** Tags of the hosts that run processes, and of the one that runs containers. */
export const plainTag = 'plain'
export const containerTag = 'containers'

export const webHost = 'web.localhost'
export const boxHost = 'box.localhost'

/** Desired at first. */
export const scales: Readonly<Record<string, number>> = {web: 6, till: 3, box: 2}

/** Takes memory until the kernel ends it, and starts processes until it may not. */
export const signals = {takeMemory: 'SIGUSR2', takeProcesses: 'SIGWINCH'} as const

const server = `import {spawn} from 'node:child_process'
import {createServer} from 'node:http'
const {GILLIAM_FORMATION, GILLIAM_SERVICE, GILLIAM_RELEASE, GILLIAM_INSTANCE, GILLIAM_EXECUTOR, PORT, HOST} = process.env
const me = [GILLIAM_FORMATION, GILLIAM_SERVICE, GILLIAM_RELEASE, GILLIAM_INSTANCE, GILLIAM_EXECUTOR].join(' ')
createServer((request, response) => response.end(me)).listen(Number(PORT), HOST)
process.once('SIGTERM', () => process.exit(0))
const taken = []
process.on('${signals.takeMemory}', () => setInterval(() => taken.push(Buffer.alloc(8_388_608, 1)), 5))
process.on('${signals.takeProcesses}', () => setInterval(() => spawn('sh', ['-c', 'sleep 1000 & sleep 1000']).on('error', () => {}), 5))
`

const box = `mkdir -p www
echo -n "$GILLIAM_FORMATION $GILLIAM_SERVICE $GILLIAM_RELEASE $GILLIAM_INSTANCE $GILLIAM_EXECUTOR" > www/index.html
exec httpd -f -p "$HOST:$PORT" -h www
`

const shopManifest = (formation: string): string => {
  const each = `ports: [80], health: {http: /}, resources: {cpu: 0.05, memory: 96M}, limits: {pids: 64}, requirements: ['"${plainTag}" in executor.tags']`
  return `formation: ${formation}
processes:
  web: {script: exec node server.mjs, scale: ${scales.web}, ${each}}
  till: {script: exec node server.mjs, scale: ${scales.till}, on_lost: keep, ${each}}
routes:
  - '${webHost}/{rest:.*}: web.${formation}.service/{rest}'
`
}

/** `program`: \`script: …\` or \`image: …\`. */
export const boxManifest = (formation: string, program = 'script: exec sh box.sh'): string => `formation: ${formation}
processes:
  box: {${program}, scale: ${scales.box}, ports: [80], health: {http: /}, resources: {cpu: 0.05, memory: 64M}, requirements: ['"${containerTag}" in executor.tags']}
routes:
  - '${boxHost}/{rest:.*}: box.${formation}.service/{rest}'
`

const write = (folder: string, files: Readonly<Record<string, string>>): string => {
  mkdirSync(folder, {recursive: true})
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

/** Writes the project of processes, and answers its folder. */
export const writeShop = (folder: string, formation: string): string =>
  write(folder, {'server.mjs': server, 'gilliam.yml': shopManifest(formation)})

/** Writes the project of containers, and answers its folder. */
export const writeBox = (folder: string, formation: string): string => write(folder, {'box.sh': box, 'gilliam.yml': boxManifest(formation)})
