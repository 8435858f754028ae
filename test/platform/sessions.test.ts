// One-off work and live lines on a real stage: commands in instances and in instances of their own, with input, terminals, signals, exit codes, and what
// becomes of them when their client goes.
import assert from 'node:assert/strict'
import {type ChildProcess, execFileSync} from 'node:child_process'
import {createHash, randomBytes} from 'node:crypto'
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {after, before, describe, it} from 'node:test'
import {type Listed, Stage, until} from './stage.ts'

const server = `import {createServer} from 'node:http'
createServer((request, response) => {
  console.log('asked for ' + request.url)
  response.end('ok')
}).listen(Number(process.env.PORT), process.env.HOST)
`

const manifest = `formation: work
processes:
  web: {script: exec node server.mjs, ports: [80], scale: 1, health: {tcp: true}, env: {COLOUR: green}, resources: {cpu: 0.05, memory: 48M}}
routes:
  - 'work.localhost/{rest:.*}: web.work.service/{rest}'
`

interface Talk {
  readonly child: ChildProcess
  readonly out: () => string
  readonly ended: Promise<number | null>
}

describe('platform: one-off work', () => {
  const stage = new Stage()
  let name = ''
  const talks: ChildProcess[] = []
  const inWork = ['-f', 'work']

  /** A command of the CLI that goes on while the test talks to it. */
  const talk = (args: readonly string[], input?: Buffer, shell?: string): Talk => {
    const child = stage.spawn(args, shell)
    talks.push(child)
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', chunk => (text += chunk))
    // It may end without reading it all.
    child.stdin?.on('error', () => undefined)
    if (input !== undefined) child.stdin?.end(input)
    const ended = new Promise<number | null>(resolve => child.once('close', code => resolve(code)))
    return {child, out: () => text, ended}
  }
  const saying = (what: string, {out}: Talk, pattern: RegExp) => until(`${what} (${out()})`, async () => pattern.test(out()))
  const sleepers = (mark: string): number => stage.pids(new RegExp(`^sleep ${mark}`)).length

  before(async () => {
    await stage.start()
    const folder = join(stage.folder, 'work')
    mkdirSync(folder)
    writeFileSync(join(folder, 'server.mjs'), server)
    writeFileSync(join(folder, 'gilliam.yml'), manifest)
    await stage.must(['create', 'work'], folder)
    await stage.must(['deploy'], folder)
    name = (await stage.running('work', 'web'))[0]?.name ?? ''
  })
  after(async () => {
    for (const child of talks) child.kill('SIGKILL')
    await stage.close()
  })

  it('exec: runs in the instance, as it is told and with no shell, and ends with its exit code', async () => {
    const script = 'echo "$COLOUR $GILLIAM_INSTANCE"; ls; echo trouble >&2; exit 7'
    const {code, stdout, stderr} = await stage.gilliam(['exec', ...inWork, name, '--', 'sh', '-c', script])
    assert.deepEqual([code, stdout, stderr], [7, `green ${name.slice(4)}\ngilliam.yml\nserver.mjs\n`, 'trouble\n'])
    const words = await stage.gilliam(['exec', ...inWork, name, 'printf', '[%s]', '$HOME', "it's", '; ls'])
    assert.equal(words.stdout, "[$HOME][it's][; ls]")
    assert.equal((await stage.gilliam(['exec', ...inWork, name, 'no-such-program'])).code, 127)
    assert.equal((await stage.gilliam(['exec', ...inWork, name, 'sh', '-c', 'kill -9 $$'])).code, 137)
    assert.equal((await stage.gilliam(['exec', ...inWork, 'web.nothere', 'true'])).code, 4)
  })

  it('exec: passes on all input and output, byte for byte', async () => {
    const input = randomBytes(3_000_000)
    const sum = createHash('sha256').update(input).digest('hex')
    const hashed = talk(['exec', ...inWork, name, 'sha256sum'], input)
    assert.equal(await hashed.ended, 0)
    assert.match(hashed.out(), new RegExp(`^${sum} `))
    const count = talk(['exec', ...inWork, name, 'sh', '-c', 'head -c 5000000 /dev/zero | tr "\\0" x'], Buffer.alloc(0))
    assert.equal(await count.ended, 0)
    assert.equal(count.out(), 'x'.repeat(5_000_000))
    const early = talk(['exec', ...inWork, name, 'sh', '-c', 'exit 4'], input)
    assert.equal(await early.ended, 4, 'a command need not read its input')
  })

  it('exec: a terminal has the size of ours, follows it, and takes Ctrl-C', async () => {
    const inside = 'trap "stty size" WINCH; trap "echo caught; exit 9" INT; tty; stty size; while :; do sleep 0.1; done'
    const shell = 'stty rows 33 cols 101; tty > own-terminal; "$0" "$@"; echo "code $?"'
    const size = talk(['exec', ...inWork, name, 'sh', '-c', inside], undefined, shell)
    await saying('its size', size, /\/dev\/pts\/\d+\s+33 101/)
    execFileSync('stty', ['-F', readFileSync(join(stage.folder, 'own-terminal'), 'utf8').trim(), 'rows', '40', 'cols', '90'])
    await saying('its new size', size, /40 90/)
    size.child.stdin?.write('\u0003')
    await saying('Ctrl-C', size, /caught\s+code 9/)
    await size.ended
  })

  it('exec: signals go to the command', async () => {
    const trapped = talk([
      'exec',
      ...inWork,
      name,
      'sh',
      '-c',
      'trap "echo interrupted; exit 5" INT; echo ready; while :; do sleep 0.1; done',
    ])
    await saying('it to begin', trapped, /ready/)
    trapped.child.kill('SIGINT')
    assert.equal(await trapped.ended, 5)
    assert.match(trapped.out(), /interrupted/)
  })

  it('exec: what a client leaves behind is ended, daemons too', async () => {
    const left = talk(['exec', ...inWork, name, 'sh', '-c', 'trap "" HUP TERM; setsid sleep 7771 & echo ready; sleep 7771'])
    await saying('it to begin', left, /ready/)
    await until('both to sleep', async () => sleepers('7771') === 2)
    left.child.kill('SIGKILL')
    await until('them to be ended', async () => sleepers('7771') === 0)
    assert.equal((await stage.running('work', 'web'))[0]?.name, name, 'the instance runs on')
  })

  it('exec: ends with the token it was asked for with', async () => {
    const created = await stage.must(['token', 'create', 'guest', '--allow', 'exec,read', '--json'])
    const {id, token} = JSON.parse(created.stdout) as {id: string; token: string}
    const command = ['exec', ...inWork, name, '--', 'sh', '-c', 'trap "" HUP; echo ready; exec sleep 7773']
    const guest = talk(command, undefined, `GILLIAM_TOKEN=${token} "$0" "$@"`)
    await saying('it to begin', guest, /ready/)
    await stage.must(['token', 'revoke', id])
    await saying('why it ended', guest, /was revoked/)
    await until('the command to be ended', async () => sleepers('7773') === 0)
  })

  it('run: an instance of its own runs it once; its output is in the logs too', async () => {
    const script = 'read word; echo "$word $COLOUR $PORT."; exit 3'
    const told = talk(['run', ...inWork, 'web', '--', 'sh', '-c', script], Buffer.from('hello\n'))
    assert.equal(await told.ended, 3)
    assert.equal(told.out(), 'hello green .\n')
    const all = await stage.items<Listed & {origin: string; exitCode: number; restarts: number}>(['ps', '-a', ...inWork])
    const ran = all.find(each => each.origin === 'run')
    assert.ok(ran)
    const end = await until('its end to be known', async () => {
      const [now] = (await stage.items<Listed & {name: string; exitCode: number; restarts: number}>(['ps', '-a', ...inWork])).filter(
        each => each.name === ran.name,
      )
      return now?.state === 'failed' && now
    })
    assert.deepEqual([end.exitCode, end.restarts, end.reason], [3, 0, 'exit code 3'])
    await until('its line to be kept', async () => {
      const {stdout} = await stage.must(['logs', '--formation', 'work', '--instance', ran.name])
      return stdout.includes('hello green .')
    })
    const {stdout} = await stage.must(['audit'])
    assert.match(stdout, /instance\.run +work instance web/)
    assert.match(stdout, /session\.exec +work instance web/)
  })

  it('run: without its client it is stopped; detached it needs none', async () => {
    const attached = talk(['run', ...inWork, 'web', 'sh', '-c', 'echo ready; exec sleep 7772'])
    await saying('it to begin', attached, /ready/)
    attached.child.kill('SIGKILL')
    await until('it to be stopped', async () => sleepers('7772') === 0)
    const {stdout} = await stage.must(['run', ...inWork, '--detach', 'web', '--', 'sh', '-c', 'echo alone; sleep 0.2; echo done'])
    await until('it to end', async () => {
      const all = await stage.items<Listed>(['ps', '-a', ...inWork])
      return all.find(each => each.name === stdout.trim())?.state === 'stopped'
    })
    const gone = (await stage.items<Listed>(['ps', '-a', ...inWork])).find(each => each.reason === 'its client is gone')
    assert.equal(gone?.state, 'failed')
  })

  it('logs -f: lines come as they are written, of new instances too, none twice; and without a relay all the same', async () => {
    const following = talk(['logs', '-f', '--formation', 'work', '--service', 'web'])
    const count = (path: string): number => following.out().split(`asked for ${path}\n`).length - 1
    const ask = async (path: string): Promise<void> => assert.equal((await stage.route('work.localhost', path)).status, 200)
    await ask('/first')
    await until('the first line', async () => count('/first') === 1)
    for (let i = 0; i < 50; i++) await ask(`/n${i}`)
    await until('all of them', async () => count('/n49') === 1)
    await stage.must(['scale', 'web=3', ...inWork])
    for (let i = 0; i < 30; i++) await ask('/spread')
    await until('lines of all three', async () => count('/spread') === 30)
    const speakers = new Set([...following.out().matchAll(/(web\.\w+) \| asked for \/spread/g)].map(([, speaker]) => speaker))
    assert.equal(speakers.size, 3)
    const [primary] = stage.pids(/^\S*node proxy\.mjs proxy$/)
    assert.ok(primary)
    process.kill(primary, 'SIGSTOP')
    try {
      const other = talk(['logs', '-f', '--formation', 'work', '--service', 'web', '-n', '1'])
      await saying('it to say so', other, /do not come live/)
      await ask('/without')
      await saying('the line', other, /asked for \/without/)
    } finally {
      process.kill(primary, 'SIGCONT')
    }
    for (let i = 0; i < 50; i++) assert.equal(count(`/n${i}`), 1, `/n${i}`)
    following.child.kill('SIGINT')
    assert.equal(await following.ended, 0)
  })
})
