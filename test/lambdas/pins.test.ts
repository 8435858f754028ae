// What tags of images mean in a release: the first word of an executor that is to run it holds, for all.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import {descriptor, pendingInstance, serviceDefinition} from '#test/store/samples.ts'
import {type Platform, startPlatform} from './platform.ts'

const digestOf = (digit: string) => `sha256:${digit.repeat(64)}`

describe('pins of images', () => {
  let platform: Platform
  let serial = 0
  before(async () => {
    platform = await startPlatform()
    await platform.call('createFormation', {body: {name: 'crm'}})
  })
  after(() => platform.stop())

  const release = async (services: object): Promise<number> =>
    (await platform.call('createRelease', {params: {formation: 'crm'}, body: {services}})).body.release
  const image = (name: string) => {
    const {script: _, ...service} = serviceDefinition()
    return {...service, image: name}
  }
  const executorWith = async (number: number, service: string): Promise<(more?: object) => ReturnType<Platform['call']>> => {
    const own = ++serial
    const id = `host-${own}`
    const {token} = (await platform.call('joinExecutor', {body: {...descriptor(id), runtimes: ['docker']}})).body
    const {now} = platform.clock
    await platform.store.instances.spawn(pendingInstance('crm', service, `i${own}`, {origin: 'spawn', release: number}, now))
    const [executor, instance] = [await platform.store.executors.get(id), await platform.store.instances.get('crm', `i${own}`)]
    assert.ok(executor && instance)
    assert.equal((await platform.store.instances.assign(executor, [instance], now)).assigned.length, 1)
    return (more = {}) => platform.call('syncExecutor', {token, params: {executor: id}, body: {assignmentVersion: 0, reports: [], ...more}})
  }
  const told = (number: number, name: string, digit: string) => ({formation: 'crm', release: number, image: name, digest: digestOf(digit)})

  it('of executors that tell at the same time one is right, for all of them and for good', async () => {
    const number = await release({web: image('shop/web:1'), api: image('shop/api:1')})
    const services = ['web', 'api', 'web', 'api', 'web', 'api']
    const syncs = await Promise.all(services.map(service => executorWith(number, service)))
    const answers = await Promise.all(syncs.map((sync, at) => sync({pins: [told(number, `shop/${services[at]}:1`, String(at))]})))
    for (const {status, text} of answers) assert.equal(status, 200, text)
    const said = (service: string) => new Set(answers.flatMap(({body}, at) => (services[at] === service ? [body.pins[0].digest] : [])))
    const [[web], [api]] = [[...said('web')], [...said('api')]]
    assert.deepEqual([said('web').size, said('api').size], [1, 1])
    const {pins} = (await platform.call('getRelease', {params: {formation: 'crm', release: String(number)}})).body
    assert.deepEqual(pins, {'shop/web:1': web, 'shop/api:1': api})
    const late = await syncs[0]?.({pins: [told(number, 'shop/web:1', 'f')]})
    assert.equal(late?.body.pins[0].digest, web)
    assert.equal(late?.body.assignments[0].image, `shop/web@${web}`)
    const {items} = (await platform.call('getAudit', {query: {formation: 'crm'}})).body
    const entries = items.filter(({action}: {action: string}) => action === 'release.pin')
    assert.equal(entries.length, 2)
    assert.match(JSON.stringify(entries[0].who), /executor/)
  })

  it('nobody says it of a release that is not to run there, of another image, or of one that says so itself', async () => {
    const fixed = `shop/fixed:1@${digestOf('1')}`
    const number = await release({web: image('shop/web:2'), fixed: image(fixed), api: image('shop/api:2')})
    const other = await release({web: image('shop/web:3')})
    const sync = await executorWith(number, 'web')
    const pins = [told(other, 'shop/web:3', 'a'), told(number, 'shop/web:3', 'a'), told(number, fixed, 'a'), told(99, 'shop/web:2', 'a')]
    // Of a service that others run.
    pins.push(told(number, 'shop/api:2', 'a'))
    const answer = await sync({pins})
    assert.equal(answer.status, 200, answer.text)
    assert.ok(answer.body.pins.every((pin: object) => !('digest' in pin)))
    assert.equal((await sync({pins: [{...told(number, 'shop/web:2', 'a'), digest: 'latest'}]})).status, 400)
    assert.equal((await sync({pins: Array.from({length: 33}, () => told(number, 'shop/web:2', 'a'))})).status, 400)
    for (const each of [number, other])
      assert.equal((await platform.call('getRelease', {params: {formation: 'crm', release: String(each)}})).body.pins, undefined)
  })

  it('a change of the environment keeps what the images mean', async () => {
    const number = await release({web: image('shop/web:4')})
    const sync = await executorWith(number, 'web')
    await sync({pins: [told(number, 'shop/web:4', 'e')]})
    const {body} = await platform.call('changeEnv', {params: {formation: 'crm'}, body: {set: {A: '1'}}})
    assert.deepEqual([body.release, body.pins], [number + 1, {'shop/web:4': digestOf('e')}])
  })
})
