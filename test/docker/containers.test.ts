// Containers as the agent makes them: projects in a stack image, what an instance may and may not do, its limits, user and address.
import assert from 'node:assert/strict'
import {existsSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {describe, it, type TestContext} from 'node:test'
import {proxyFor} from '#agent/containers/launcher.ts'
import type {Assignment} from '#shared/domain/assignment.ts'
import {assignment, health, type Machine, machine, slugOf} from '#test/agent/fixtures.ts'
import {until} from '#test/agent/wait.ts'
import {engineMissing, networkName, useEngine} from './engine.ts'

const skip = engineMissing()

describe('containers of an agent', {skip, concurrency: 1}, () => {
  const engine = useEngine()
  const network = networkName()
  const settings = {
    GILLIAM_RUNTIMES: 'docker,process',
    GILLIAM_DOCKER_SOCKET: engine.socketPath,
    GILLIAM_DOCKER_NETWORK: network,
    GILLIAM_STACK_IMAGE: 'gilliam-test:stack',
    GILLIAM_LIMITS: 'memory,pids,files,cpu',
  }
  const project = async (here: Machine, files: Record<string, string>) => {
    const {blob, slug} = await slugOf(files)
    here.plane.slugs.set(slug.sha256, blob)
    return slug
  }
  const said = (here: Machine, id: string): string[] =>
    here.plane.logs.filter(line => line.id === id && line.stream !== 'agent').map(line => line.text)
  const run = async (t: TestContext, id: string, script: string, change: Partial<Assignment> = {}) => {
    const here = await machine(t)
    const slug = await project(here, {'hello.txt': 'from the slug\n'})
    await here.start({...settings, GILLIAM_PROXY: 'http://127.0.0.1:7128'})
    here.plane.assign(assignment(id, {script: `${script}; echo the end; exec sleep 1000`, slug, ...change}))
    await until(
      () => said(here, id).includes('the end'),
      () => `${said(here, id).join('\n')} ${JSON.stringify(here.plane.latest(id))}`,
    )
    return {here, slug, said: said(here, id)}
  }

  it('a project runs in a container: it writes over its slug, which stays as it was, and serves on the executor', async t => {
    const script =
      'cat hello.txt; pwd; echo mine > hello.txt; cat hello.txt; touch new; echo "$HOST $PORT $PORT_80 $HOME"; httpd -p "$PORT" -h /app'
    const {here, slug, said} = await run(t, 'c1', script, {ports: [{port: 80}], health: health({http: '/new'})})
    assert.deepEqual(said.slice(0, 4), ['from the slug', '/app', 'mine', '0.0.0.0 80 80 /app'])
    assert.equal(readFileSync(join(here.home, 'slugs', slug.sha256, 'hello.txt'), 'utf8'), 'from the slug\n')
    assert.ok(existsSync(join(here.home, 'instances/crm.users.c1/run/new')))
    const running = await here.plane.reported('c1', report => report.state === 'running')
    const answer = await fetch(`http://127.0.0.1:${running.address?.ports[80]}/hello.txt`)
    assert.equal(await answer.text(), 'mine\n')
  })

  it('has no capabilities, can get no privileges, and is held to its limits', async t => {
    const script =
      'grep -E "^(Cap|NoNewPrivs)" /proc/self/status; ulimit -n; cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null'
    const {said} = await run(t, 'c2', script, {limits: {pidsMax: 50, filesMax: 99}, resources: {cpuMilli: 200, memoryMib: 32}})
    for (const name of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      assert.ok(
        said.some(line => new RegExp(`^${name}:\\s0+$`).test(line)),
        name,
      )
    assert.ok(said.some(line => /^NoNewPrivs:\s1$/.test(line)))
    assert.ok(said.includes('99'))
    assert.ok(said.includes(String(32 * 1_048_576)))
    const [{Id} = {Id: ''}] = await engine.api.call<{Id: string}[]>('GET', '/containers/json', {
      query: {filters: JSON.stringify({label: ['gilliam.instance=crm.users.c2']})},
    })
    const {HostConfig} = await engine.api.call<{HostConfig: Record<string, unknown>}>('GET', `/containers/${Id}/json`)
    assert.equal(HostConfig.NanoCpus, 200_000_000)
    assert.equal(HostConfig.PidsLimit, 50)
    assert.equal(HostConfig.Privileged, false)
  })

  it('read-only where asked, but for /tmp; as the user that is asked for', async t => {
    const script =
      'id -u; (echo x > hello.txt) 2>/dev/null || echo refused; (echo x > /etc/x) 2>/dev/null || echo refused too; echo x > /tmp/x && echo there'
    const {said} = await run(t, 'c3', script, {readOnly: true, user: '65534:65534'})
    assert.deepEqual(said, ['65534', 'refused', 'refused too', 'there', 'the end'])
  })

  it('gets the proxy at an address it can reach', async t => {
    const {said} = await run(t, 'c4', 'echo "proxy $HTTP_PROXY"; echo "path $PATH"')
    assert.match(said[0] ?? '', /^proxy http:\/\/172\.\d+\.\d+\.1:7128$|^proxy http:\/\/192\.168\.\d+\.1:7128$/)
    assert.ok(!said[1]?.includes('node_modules'))
    assert.equal(proxyFor('http://10.0.0.5:7128', '172.17.0.1'), 'http://10.0.0.5:7128')
    assert.equal(proxyFor('http://localhost:7128', undefined), undefined)
  })

  it('scripts without a project are processes still, and containers are adopted by the next agent', async t => {
    const {here} = await run(t, 'c5', 'echo up')
    await here.end('SIGKILL')
    await here.start(settings)
    const slug = await project(here, {'hello.txt': 'from the slug\n'})
    const script = 'echo up; echo the end; exec sleep 1000'
    here.plane.assign(
      assignment('c5', {script, slug}),
      assignment('c6', {script: 'echo "process $PORT_1"; exec sleep 1000', ports: [{port: 1}]}),
    )
    await until(() => said(here, 'c6').some(line => /^process 2\d{4}$/.test(line)))
    assert.equal(here.plane.latest('c5')?.restarts ?? 0, 0)
    assert.equal(readFileSync(join(here.home, 'instances/crm.users.c5/out.log'), 'utf8'), 'up\nthe end\n')
    here.plane.assign()
    await here.plane.reported('c5', report => report.state === 'stopped')
    await here.plane.reported('c6', report => report.state === 'stopped')
  })

  it('says why it can not start, and does not try again where that is hopeless', async t => {
    const here = await machine(t)
    await here.start(settings)
    const {script: _, ...image} = assignment('c7', {image: 'gilliam-test:stack', args: ['/bin/true'], user: 'nobody-here'})
    here.plane.assign(image)
    const failed = await here.plane.reported('c7', report => report.state === 'failed')
    assert.match(failed.reason ?? '', /nobody-here/)
    assert.equal(failed.restarts, 0)
  })
})
