// A relay by itself behind TLS, as on AWS: the program that is deployed, a TLS server in front of it, a real stage whose agent and clients go out to it, and what
// becomes of them when it is killed and comes back.
import assert from 'node:assert/strict'
import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdirSync, writeFileSync} from 'node:fs'
import {type AddressInfo, connect, type Socket} from 'node:net'
import {join} from 'node:path'
import {after, before, describe, it} from 'node:test'
import {createServer, type Server} from 'node:tls'
import {createClient} from '#shared/client.ts'
import {joinRelay} from '#shared/sessions/peer.ts'
import {freePort} from '#test/examples/neighbours.ts'
import {type Certificates, makeCertificates, whyNoCertificates} from '#test/lambdas/certificates.ts'
import {bundleProgram, type Program} from '#test/proxy/program.ts'
import {get, Stage, until} from './stage.ts'

const manifest = `formation: work
processes:
  web: {script: 'while :; do echo "line $((n=n+1))"; sleep 0.2; done', scale: 1, resources: {cpu: 0.05, memory: 48M}}
`

/** Takes TLS off, as a load balancer does, and knows nothing else. */
const startFront = async (backend: () => number, {signed}: Certificates): Promise<Server> => {
  const front = createServer({...signed, minVersion: 'TLSv1.3'}, outside => {
    const inside: Socket = connect(backend(), '127.0.0.1')
    for (const [one, other] of [
      [outside, inside],
      [inside, outside],
    ] as const)
      one
        .on('error', () => undefined)
        .on('close', () => other.destroy())
        .pipe(other)
  })
  await once(front.listen(0, '127.0.0.1'), 'listening')
  return front
}

describe('platform: a relay alone, behind TLS', {skip: whyNoCertificates()}, () => {
  let stage: Stage
  let front: Server
  let program: Program
  let relay: ChildProcess
  let ports: {port: number; adminPort: number}
  let name = ''
  let url = ''
  const children: ChildProcess[] = []
  const inWork = ['-f', 'work']

  const startRelay = async (): Promise<void> => {
    const env = {GILLIAM_API: stage.urls.api, HOST: '127.0.0.1', PORT: String(ports.port), PORT_9000: String(ports.adminPort)}
    relay = spawn(process.execPath, [program.file, 'relay'], {env, stdio: 'ignore'})
    children.push(relay)
    await until('the relay to be ready', async () => (await get(`http://127.0.0.1:${ports.adminPort}/readyz`)).status === 200)
  }
  const killRelay = async (): Promise<void> => {
    const ended = once(relay, 'exit')
    relay.kill('SIGKILL')
    await ended
  }
  const talk = (args: readonly string[], shell?: string) => {
    const child = stage.spawn(args, shell)
    children.push(child)
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', chunk => (text += chunk))
    const ended = once(child, 'close').then(([code]) => code as number | null)
    const saying = (pattern: RegExp) => until(`${pattern} (${text})`, async () => pattern.test(text))
    return {child, out: () => text, ended, saying}
  }

  before(async () => {
    const certificates = makeCertificates('localhost')
    ports = {port: await freePort(), adminPort: await freePort()}
    front = await startFront(() => ports.port, certificates)
    url = `wss://localhost:${(front.address() as AddressInfo).port}/`
    program = await bundleProgram()
    const authority = join(program.folder, 'ca.pem')
    writeFileSync(authority, certificates.ca)
    stage = new Stage({GILLIAM_RELAY: url, NODE_EXTRA_CA_CERTS: authority})
    await stage.start()
    await startRelay()
    const folder = join(stage.folder, 'work')
    mkdirSync(folder)
    writeFileSync(join(folder, 'gilliam.yml'), manifest)
    await stage.must(['create', 'work'], folder)
    await stage.must(['deploy'], folder)
    name = (await stage.running('work', 'web'))[0]?.name ?? ''
  })
  after(async () => {
    for (const child of children) child.kill('SIGKILL')
    await stage.close()
    front.close()
    await program.remove()
  })

  it('joins exec, a run with a terminal, and lines as they are written', async () => {
    const {code, stdout} = await stage.gilliam(['exec', ...inWork, name, '--', 'sh', '-c', 'echo "$GILLIAM_INSTANCE"; exit 7'])
    assert.deepEqual([code, stdout], [7, `${name.slice(4)}\n`])
    const shell = 'stty rows 33 cols 101; "$0" "$@"; echo "code $?"'
    const run = talk(['run', ...inWork, 'web', '--', 'sh', '-c', 'tty; stty size; exit 3'], shell)
    await run.saying(/\/dev\/pts\/\d+\s+33 101\s+code 3/)
    const following = talk(['logs', '-f', '--formation', 'work', '-n', '1'])
    await following.saying(/line \d+\n(.*\n)*.*line \d+\n/)
    const metrics = await get(`http://127.0.0.1:${ports.adminPort}/metrics`)
    assert.match(metrics.text, /^gilliam_relay_sessions 1$/m, 'that is what follows')
    following.child.kill('SIGINT')
    assert.equal(await following.ended, 0)
    assert.doesNotMatch(following.out(), /do not come live/)
  })

  it('killed, ends what it joined with a reason and a code of its own; nobody waits for it; and one that comes back joins again', async () => {
    const following = talk(['logs', '-f', '--formation', 'work', '-n', '1'])
    const cut = talk(['exec', ...inWork, name, '--', 'sh', '-c', 'echo ready; exec sleep 7781'])
    await Promise.all([cut.saying(/ready/), following.saying(/line/)])
    await killRelay()
    assert.equal(await cut.ended, 255)
    assert.match(cut.out(), /The session broke off: the connection to the relay was lost/)
    const down = await stage.gilliam(['exec', ...inWork, name, 'true'])
    assert.equal(down.code, 3)
    assert.match(down.stderr, new RegExp(`the relay at ${url} can not be reached`))
    await following.saying(/do not come live/)
    await until('the command to be ended', async () => stage.pids(/^sleep 7781/).length === 0)
    await startRelay()
    assert.equal((await stage.gilliam(['exec', ...inWork, name, '--', 'sh', '-c', 'exit 9'])).code, 9)
    assert.equal((await stage.running('work', 'web'))[0]?.name, name, 'the instance ran on')
    following.child.kill('SIGINT')
    assert.equal(await following.ended, 0)
  })

  it('lets nobody in twice with one ticket, nor with one that a relay before it may have taken', async () => {
    const {token} = JSON.parse((await stage.must(['token', 'create', 'guest', '--allow', 'exec,read', '--json'])).stdout) as {token: string}
    const client = createClient({api: stage.urls.api, token})
    // This process trusts the authority no more than any other: it goes to the relay itself.
    const direct = `ws://127.0.0.1:${ports.port}/`
    const {ticket} = await client.call('execInstance', {params: {formation: 'work', instance: name.slice(4)}, body: {command: ['true']}})
    const use = () => joinRelay({relay: direct, ticket, waitMs: 30_000})
    const peer = await use()
    peer.destroy()
    await assert.rejects(use(), {name: 'RelayError', message: /refuses \(401\): This ticket was used before/})
    await killRelay()
    await startRelay()
    await assert.rejects(use(), {name: 'RelayError', message: /refuses \(503\): This relay began after the ticket was made/})
    await assert.rejects(joinRelay({relay: url, ticket, waitMs: 30_000}), /can not be reached: .*certificate/)
  })
})
