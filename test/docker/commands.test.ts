// Commands in containers, over a real engine: beside an instance's own, and in its place with somebody attached; input, output, terminals, signals, rights.
import assert from 'node:assert/strict'
import {randomBytes} from 'node:crypto'
import {existsSync} from 'node:fs'
import {join} from 'node:path'
import {text} from 'node:stream/consumers'
import {after, describe, it, type TestContext} from 'node:test'
import type {ContainerSpec} from '#agent/runtime/docker/container.ts'
import {type ContainerExec, signalWithin} from '#agent/runtime/docker/exec.ts'
import {Pieces} from '#agent/runtime/docker/frames.ts'
import type {Attached, Execution, Running} from '#agent/runtime/runtime.ts'
import {until} from '#test/agent/wait.ts'
import {engineMissing, useEngine} from './engine.ts'
import {runtimeOn, specOf} from './fixtures.ts'

const skip = engineMissing()

describe('commands in containers', {skip, concurrency: 1}, () => {
  const engine = useEngine()
  const {create, closeAll, errors} = runtimeOn(engine)
  after(closeAll)

  const unsignalled = (): string[] => errors.filter(error => error.includes('signalled'))

  const started = async (t: TestContext, id: string, script: string, change: Partial<ContainerSpec> = {}) => {
    const runtime = create()
    const spec = specOf(t, engine.stackId, id, script, {environment: {COLOUR: 'green'}, ...change})
    const running = await runtime.start(spec)
    t.after(async () => {
      running.kill()
      await running.ended
    })
    const session = id.padEnd(32, '0')
    const exec = (command: readonly string[], more: Partial<ContainerExec> = {}): Promise<Execution> =>
      runtime.exec({directory: spec.directory, command, session, ...more})
    return {spec, running, exec, session}
  }
  const attachedOf = ({attached}: Running): Attached => {
    assert.ok(attached)
    return attached
  }
  /** Grows with what is written. */
  const heard = ({stdout}: Attached): (() => string) => {
    let all = ''
    stdout.on('data', chunk => (all += chunk))
    return () => all
  }
  const saying = (what: () => string, pattern: RegExp) =>
    until(
      () => pattern.test(what()),
      () => `${pattern} in “${what()}” ${errors.join('; ')}`,
    )

  it('exec: as the container’s user, with its environment and no more rights than it has', async t => {
    const {exec} = await started(t, 'x1', 'exec sleep 1000', {user: '65534:65534'})
    const script = 'echo "$COLOUR"; id -u; pwd; grep -E "^(CapEff|CapBnd|NoNewPrivs)" /proc/self/status; echo trouble >&2; exit 7'
    const execution = await exec(['/bin/sh', '-c', script])
    const [out, err] = await Promise.all([text(execution.stdout), text(execution.stderr ?? execution.stdout)])
    assert.match(out, /^green\n65534\n\/app\nCapEff:\s0+\nCapBnd:\s0+\nNoNewPrivs:\s1\n$/)
    assert.equal(err, 'trouble\n')
    assert.deepEqual(await execution.ended, {code: 7})
    const missing = await exec(['no-such-program'])
    await text(missing.stdout)
    const {code, reason} = await missing.ended
    assert.ok([126, 127].includes(code ?? 0) && /^the image has no no-such-program, /.test(reason ?? ''), `${code} ${reason}`)
    const own = await exec(['/bin/sh', '-c', 'exit 126'])
    assert.deepEqual(await own.ended, {code: 126}, 'its own code is its own affair')
  })

  it('exec: passes on all input and output, byte for byte, and the end of input', async t => {
    const {exec} = await started(t, 'x2', 'exec sleep 1000')
    const input = randomBytes(3_000_000)
    const execution = await exec(['cat'])
    const chunks: Buffer[] = []
    execution.stdout.on('data', chunk => chunks.push(chunk))
    execution.stdin.end(input)
    assert.deepEqual(await execution.ended, {code: 0})
    assert.ok(Buffer.concat(chunks).equals(input))
  })

  it('exec: a terminal has the size that was asked for, follows it, and takes Ctrl-C', async t => {
    const {exec} = await started(t, 'x3', 'exec sleep 1000')
    const inside = 'trap "echo caught; exit 9" INT; while :; do busybox stty size; sleep 0.1; done'
    const execution = await exec(['/bin/sh', '-c', inside], {terminal: {columns: 101, rows: 33}})
    assert.equal(execution.isTerminal, true)
    assert.equal(execution.stderr, undefined)
    const said = heard(execution)
    await saying(said, /33 101/)
    for (const columns of [70, 80, 90]) execution.resize({columns, rows: 40})
    await saying(said, /40 90/)
    execution.stdin.write('\u0003')
    assert.deepEqual(await execution.ended, {code: 9})
    assert.match(said(), /caught/)
  })

  it('exec: a terminal’s end of input is no end of its output', async t => {
    const {exec} = await started(t, 'x4', 'exec sleep 1000')
    const execution = await exec(['/bin/sh', '-c', 'cat; echo after'], {terminal: {columns: 80, rows: 24}})
    const said = heard(execution)
    execution.stdin.end('word\n')
    assert.deepEqual(await execution.ended, {code: 0})
    assert.match(said(), /word[\s\S]*after/)
  })

  it('exec: signals and kills reach what it started, from without and from within, and nothing else', async t => {
    const {exec, running, session, spec} = await started(t, 'x5', 'exec sleep 1000')
    const script = 'trap "echo caught" TERM; sleep 1001 & echo ready; while :; do sleep 0.1; done'
    const execution = await exec(['/bin/sh', '-c', script])
    const said = heard(execution)
    await saying(said, /ready/)
    execution.signal('SIGTERM')
    await saying(said, /caught/)
    const [{Id: container} = {Id: ''}] = await engine.api.call<{Id: string}[]>('GET', '/containers/json', {
      query: {filters: JSON.stringify({name: [spec.directory.split('/').at(-1)]})},
    })
    await signalWithin({api: engine.api, container}, `GILLIAM_SESSION=${session}`, 'SIGTERM')
    await saying(said, /caught[\s\S]*caught/)
    execution.kill()
    assert.deepEqual(await execution.ended, {code: 137})
    const others = await exec(['/bin/sh', '-c', 'cat /proc/[0-9]*/cmdline'], {session: 'another'})
    assert.doesNotMatch(await text(others.stdout), /1001/)
    assert.equal(await Promise.race([running.ended, 'runs on']), 'runs on')
    assert.deepEqual(unsignalled(), [])
  })

  it('exec: ends with its container, and is refused when there is none', async t => {
    const {exec, running} = await started(t, 'x6', 'exec sleep 1000')
    const execution = await exec(['/bin/sh', '-c', 'echo ready; exec sleep 1000'])
    await saying(heard(execution), /ready/)
    running.kill()
    await running.ended
    const {code} = await execution.ended
    assert.ok(code === undefined || code === 137, `code ${code}`)
    await assert.rejects(exec(['true']), /not running/)
  })

  it('run: nothing it says is lost, and none of it is in the runtime’s log files', async t => {
    const argv = ['/bin/sh', '-c', 'echo first; read word; echo "$word $COLOUR"; echo trouble >&2; exit 3']
    const {running, spec} = await started(t, 'x7', 'echo not this', {argv, attached: {}})
    const attached = attachedOf(running)
    attached.stdin.end('hello\n')
    const [out, err] = await Promise.all([text(attached.stdout), text(attached.stderr ?? attached.stdout)])
    assert.deepEqual([out, err, await running.ended], ['first\nhello green\n', 'trouble\n', {code: 3}])
    assert.equal(existsSync(join(spec.directory, 'out.log')), false)
    assert.deepEqual(await create().find(spec.directory), {state: 'ended', exit: {code: 3}})
  })

  it('run: takes terminals and signals, and the next agent finds it to end it', async t => {
    const inside = 'trap "echo told" USR1; while :; do busybox stty size; sleep 0.1; done'
    const {running, spec} = await started(t, 'x8', '', {argv: ['/bin/sh', '-c', inside], attached: {terminal: {columns: 101, rows: 33}}})
    const attached = attachedOf(running)
    const said = heard(attached)
    await saying(said, /33 101/)
    attached.resize({columns: 90, rows: 40})
    await saying(said, /40 90/)
    running.signal?.('SIGUSR1')
    await saying(said, /told/)
    const found = await create().find(spec.directory)
    assert.ok(found.state === 'running')
    found.running.kill()
    assert.deepEqual(await found.running.ended, {code: 137})
    assert.equal(existsSync(join(spec.directory, 'out.log')), false)
    assert.deepEqual(unsignalled(), [])
  })

  it('takes streams apart however they are cut', () => {
    const frame = (kind: number, words: string) => {
      const header = Buffer.alloc(8)
      header[0] = kind
      header.writeUInt32BE(words.length, 4)
      return Buffer.concat([header, Buffer.from(words)])
    }
    const bytes = Buffer.concat([frame(1, 'out'), frame(2, ''), frame(2, 'err'), frame(1, ' more')])
    for (let size = 1; size <= bytes.length; size++) {
      const pieces = new Pieces()
      const got = {stdout: '', stderr: ''}
      for (let at = 0; at < bytes.length; at += size)
        for (const {stream, bytes: some} of pieces.add(bytes.subarray(at, at + size))) got[stream] += some
      assert.deepEqual(got, {stdout: 'out more', stderr: 'err'})
    }
  })
})
