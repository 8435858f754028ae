// `gilliam deploy` of a project with a Dockerfile: built by a real engine, loaded by another one from the artifact store's bytes, or pushed to a real registry.
import assert from 'node:assert/strict'
import {type ChildProcess, execFileSync, spawn} from 'node:child_process'
import {copyFileSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {createServer} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {Readable} from 'node:stream'
import {after, before, beforeEach, describe, it} from 'node:test'
import {until} from '#test/agent/wait.ts'
import {Cli} from '../cli/cli.ts'
import {FakeControlPlane} from '../cli/fake-control-plane.ts'
import {formation, release} from '../cli/samples.ts'
import {engineMissing, programMissing, useEngine} from './engine.ts'

const missing = engineMissing() || programMissing('docker-registry', 'docker-registry')

const dockerfile = 'FROM scratch\nCOPY busybox /bin/sh\nENTRYPOINT ["/bin/sh", "-c", "echo built"]\n'

const freePort = (): Promise<number> =>
  new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })

/** Debian's docker-registry, with its images in a folder of the test's. */
const startRegistry = async (): Promise<{readonly address: string; readonly end: () => void}> => {
  const folder = mkdtempSync(join(tmpdir(), 'gilliam-registry-'))
  const address = `127.0.0.1:${await freePort()}`
  const config = `version: 0.1\nstorage: {filesystem: {rootdirectory: ${JSON.stringify(join(folder, 'images'))}}}\nhttp: {addr: "${address}"}\n`
  writeFileSync(join(folder, 'config.yml'), config)
  const child: ChildProcess = spawn('docker-registry', ['serve', join(folder, 'config.yml')], {stdio: 'ignore'})
  await until(
    () =>
      fetch(`http://${address}/v2/`).then(
        ({ok}) => ok,
        () => child.exitCode !== null,
      ),
    () => 'the registry does not answer',
  )
  const end = () => {
    child.kill()
    rmSync(folder, {recursive: true, force: true})
  }
  return {address, end}
}

describe('gilliam deploy of a Dockerfile', {skip: missing}, () => {
  const engine = useEngine()
  let cli: Cli
  let plane: FakeControlPlane
  let registry: Awaited<ReturnType<typeof startRegistry>>
  before(async () => {
    cli = new Cli()
    plane = await new FakeControlPlane().start()
    registry = await startRegistry()
  })
  beforeEach(() => {
    plane.calls.length = 0
    plane.uploads.clear()
    plane.answers = {
      getFormation: () => formation('crm'),
      createArtifact: ({body}) => ({...body, stored: false, uploadUrl: `${plane.url}/upload/${body.sha256}`}),
      createRelease: call => release({...call.body, release: 1}),
      listRoutes: () => ({items: []}),
    }
  })
  after(async () => {
    await plane.stop()
    registry.end()
    cli.close()
  })

  const projectOf = (name: string, manifest: string, text = dockerfile): string => {
    const cwd = cli.project(name, {'gilliam.yml': manifest, Dockerfile: text})
    copyFileSync(execFileSync('which', ['busybox'], {encoding: 'utf8'}).trim(), join(cwd, 'busybox'))
    return cwd
  }
  const deploy = (cwd: string, env: Readonly<Record<string, string>> = {}) =>
    cli.run(['deploy', '--no-scale'], plane.url, {cwd, env: {DOCKER_HOST: `unix://${engine.socketPath}`, ...env}})

  it('builds once for several services, and uploads an archive that an engine loads', async () => {
    const cwd = projectOf('both', 'formation: crm\nprocesses: {a: {build: Dockerfile}, b: {build: Dockerfile, ports: [80]}}\n')
    const outcome = await deploy(cwd)
    assert.equal(outcome.code, 0, outcome.stderr)
    assert.equal(outcome.stderr.match(/Building the image of Dockerfile/g)?.length, 1)
    const {a, b} = plane.of('createRelease')[0]?.body.services ?? {}
    assert.match(a.image, /^sha256:[0-9a-f]{64}$/)
    assert.deepEqual([b.image, b.imageArchive], [a.image, a.imageArchive])
    assert.equal(a.script, undefined)
    const archive = plane.uploads.get(`/upload/${a.imageArchive.sha256}`) ?? assert.fail('not uploaded')
    assert.equal(archive.length, a.imageArchive.bytes)
    await engine.api.call('DELETE', `/images/${a.image}`, {query: {force: '1'}})
    const loading = await engine.api.stream('POST', '/images/load', {
      headers: {'content-type': 'application/x-tar'},
      body: Readable.from([archive]),
    })
    let said = ''
    for await (const chunk of loading) said += chunk
    assert.match(said, new RegExp(`Loaded image ID: ${a.image}`))
    assert.equal((await engine.api.call<{Id: string}>('GET', `/images/${a.image}/json`)).Id, a.image)
  })

  it('pushes to the repository that `image` names, and releases the digest', async () => {
    const repository = `${registry.address}/crm/users`
    const outcome = await deploy(projectOf('push', `formation: crm\nprocesses: {a: {build: Dockerfile, image: '${repository}'}}\n`))
    assert.equal(outcome.code, 0, outcome.stderr)
    const {image, imageArchive} = plane.of('createRelease')[0]?.body.services.a ?? {}
    assert.equal(imageArchive, undefined)
    const digest = image.replace(`${repository}@`, '')
    const accept = 'application/vnd.docker.distribution.manifest.v2+json'
    const found = await fetch(`http://${registry.address}/v2/crm/users/manifests/${digest}`, {headers: {accept}})
    assert.equal(found.headers.get('docker-content-digest'), digest)
  })

  it('tells what docker said when a build fails, and that docker is missing; nothing is released', async () => {
    const failed = await deploy(projectOf('bad', 'formation: crm\nprocesses: {a: {build: Dockerfile}}\n', 'FROM scratch\nCOPY nothing /\n'))
    assert.equal(failed.code, 1)
    assert.match(failed.stderr, /docker build failed with exit code 1: [\s\S]*nothing/)
    const absent = await deploy(projectOf('none', 'formation: crm\nprocesses: {a: {build: Dockerfile}}\n'), {PATH: '/nowhere'})
    assert.equal(absent.code, 2)
    assert.match(absent.stderr, /needs the `docker` command/)
    assert.equal(plane.of('createRelease').length, 0)
  })
})
