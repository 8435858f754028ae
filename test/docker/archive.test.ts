// Images that no registry has: fetched from the artifact store and loaded once for all that want them; and archives that are not what they should be.
import assert from 'node:assert/strict'
import {createHash} from 'node:crypto'
import {readdirSync} from 'node:fs'
import {join} from 'node:path'
import {before, describe, it} from 'node:test'
import {gzipSync} from 'node:zlib'
import {EngineRefusal} from '#agent/runtime/docker/api.ts'
import type {Assignment} from '#shared/domain/assignment.ts'
import type {SlugReference} from '#shared/domain/release.ts'
import {assignment, machine} from '#test/agent/fixtures.ts'
import {until} from '#test/agent/wait.ts'
import {engineMissing, networkName, useEngine} from './engine.ts'

const referenceOf = (content: Buffer): SlugReference => ({
  sha256: createHash('sha256').update(content).digest('hex'),
  bytes: content.length,
})

describe('an image from the artifact store', {skip: engineMissing(), concurrency: 1}, () => {
  const engine = useEngine()
  const environment = {
    GILLIAM_RUNTIMES: 'docker',
    GILLIAM_DOCKER_SOCKET: engine.socketPath,
    GILLIAM_DOCKER_NETWORK: networkName(),
  }
  let archive: Buffer
  let named: Buffer
  const saved = async (image: string): Promise<Buffer> => {
    const chunks: Buffer[] = []
    for await (const chunk of await engine.api.stream('GET', `/images/${image}/get`)) chunks.push(chunk as Buffer)
    return gzipSync(Buffer.concat(chunks))
  }
  before(async () => {
    archive = await saved(engine.stackId)
    await engine.api.call('POST', `/images/${engine.stackId}/tag`, {query: {repo: 'others/database', tag: '16'}})
    named = await saved('others/database:16')
    await engine.api.call('DELETE', `/images/${engine.stackId}`, {query: {force: '1'}})
  })
  const of = (id: string, imageArchive: SlugReference, image = engine.stackId): Assignment => {
    const {script: _, ...rest} = assignment(id, {image, imageArchive, args: ['/bin/sh', '-c', 'echo loaded; exec sleep 1000']})
    return rest
  }

  it('is loaded once, runs, and leaves no file behind', async t => {
    const here = await machine(t)
    const reference = referenceOf(archive)
    here.plane.slugs.set(reference.sha256, archive)
    await here.start(environment)
    here.plane.assign(of('a1', reference), of('a2', reference))
    for (const id of ['a1', 'a2']) await here.plane.reported(id, report => report.state === 'running')
    await until(() => here.plane.logs.filter(line => line.text === 'loaded').length === 2, here.output)
    assert.deepEqual(readdirSync(join(here.home, 'archives')), [])
    // It is here: another release of it needs no store.
    here.plane.slugs.clear()
    here.plane.assign({...of('a3', reference), release: 2})
    await here.plane.reported('a3', report => report.state === 'running')
  })

  it('is refused when it is no archive, another one, or not named by its id', async t => {
    const here = await machine(t)
    const garbage = gzipSync(Buffer.from('no archive'))
    for (const each of [garbage, archive]) here.plane.slugs.set(referenceOf(each).sha256, each)
    await here.start(environment)
    const absent = `sha256:${'0'.repeat(64)}`
    here.plane.assign(
      of('g1', referenceOf(garbage), absent),
      of('g2', referenceOf(archive), `sha256:${'1'.repeat(64)}`),
      of('g3', referenceOf(archive), 'web:1'),
    )
    const failed = async (id: string) => (await here.plane.reported(id, report => report.state === 'failed')).reason ?? ''
    assert.match(await failed('g1'), /can not be loaded/)
    assert.match(await failed('g2'), /does not hold the image sha256:1111/)
    assert.match(await failed('g3'), /“web:1” is no id of an image/)
    assert.deepEqual(readdirSync(join(here.home, 'archives')), [])
  })

  it('gets no name by its archive: others may mean their own image by it', async t => {
    const here = await machine(t)
    here.plane.slugs.set(referenceOf(named).sha256, named)
    await here.start(environment)
    here.plane.assign(of('n1', referenceOf(named), `sha256:${'3'.repeat(64)}`))
    const told = await here.plane.reported('n1', report => report.state === 'failed')
    assert.match(told.reason ?? '', /gives images names \(others\/database:16\)/)
    await assert.rejects(engine.api.call('GET', '/images/others/database:16/json'), EngineRefusal)
  })

  it('is not loaded when its bytes are not the ones that were asked for', async t => {
    const here = await machine(t)
    const reference = {...referenceOf(archive), sha256: 'a'.repeat(64)}
    here.plane.slugs.set(reference.sha256, archive)
    await here.start(environment)
    here.plane.assign(of('c1', reference, `sha256:${'2'.repeat(64)}`))
    const told = await here.plane.reported('c1', report => /its content is not what it should be/.test(report.reason ?? ''))
    assert.match(told.reason ?? '', /artifact aaaaaaaaaaaa could not be fetched/)
  })
})
