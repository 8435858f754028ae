// Every built-in type as a container of a real engine: as it is but for its image, which is made here.
import assert from 'node:assert/strict'
import {readFileSync} from 'node:fs'
import {after, before, describe, it} from 'node:test'
import {parseDocument} from 'yaml'
import {builtinTypes} from '#shared/types/builtin.ts'
import {engineMissing, networkName, useEngine} from '#test/docker/engine.ts'
import {Stage} from '#test/platform/stage.ts'
import {backingMissing, backings, backUp, deployBacking, password, seenByOthers, speakToAll, surviveAll} from './backing.ts'
import {imageName, importImages} from './images.ts'

/** A built-in type with the image that is made here. */
const boxed = (type: string): string => {
  const document = parseDocument(builtinTypes().get(type)?.text ?? '')
  document.set('image', imageName(type))
  return document.toString()
}

interface Container {
  readonly Id: string
  readonly Labels: Readonly<Record<string, string>>
}

describe('built-in types as containers', {skip: backingMissing() || engineMissing()}, () => {
  let stage: Stage
  // Before the engine is: what it runs is ended by the agent.
  after(() => stage?.close())
  const engine = useEngine()
  before(async () => {
    const settings = {GILLIAM_RUNTIMES: 'docker,process', GILLIAM_DOCKER_SOCKET: engine.socketPath, GILLIAM_DOCKER_NETWORK: networkName()}
    stage = new Stage(settings)
    await Promise.all([importImages(engine), stage.start()])
    await deployBacking(stage, 'boxed', Object.fromEntries(backings.map(({type}) => [`${type}.yml`, boxed(type)])))
  })

  const containers = () => engine.api.call<readonly Container[]>('GET', '/containers/json')

  it('serve the one that requires them, with the parameters that they were given', async () => {
    await speakToAll(stage, 'boxed')
    assert.equal((await containers()).length, backings.length)
  })

  it('become their own users, with nothing left of root', async () => {
    const one = (await containers()).find(({Labels}) => Labels['gilliam.service'] === '_cache')
    const {Processes} = await engine.api.call<{Processes: string[][]}>('GET', `/containers/${one?.Id}/top`, {
      query: {ps_args: '-o pid,args'},
    })
    const [pid] = Processes.find(([, command = '']) => /redis-server \*/.test(command)) ?? []
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    assert.match(status, /^Uid:\s+999\b/m)
    assert.match(status, /^CapBnd:\s+0+$/m)
  })

  it('have a password that nobody is shown', async () => {
    const seen = await seenByOthers(stage, 'boxed')
    for (const text of [password, encodeURIComponent(password)]) assert.ok(!seen.includes(text))
  })

  it('are backed up: postgres, and etcd not, whose image has no shell', async () => {
    await backUp(stage, 'boxed', {service: '_db', type: 'postgres'}, /is good: 1 tables/)
    assert.notEqual((await stage.gilliam(['backup', 'create', '_config', '-f', 'boxed'])).code, 0)
  })

  it('have their data again when they were killed', () =>
    surviveAll(stage, 'boxed', async () => {
      const all = await containers()
      await Promise.all(all.map(({Id}) => engine.api.call('POST', `/containers/${Id}/kill`)))
    }))
})
