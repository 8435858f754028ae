// The hosts that other tests run on: who reaches whom, what blocking does, and that a slow link is slow and loses frames.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import {type Host, hostsMissing, Network} from './network.ts'

/** Answers and the mean round trip of some pings. */
const ping = (from: Host, to: Host, count: number): {readonly answers: number; readonly meanMs: number} => {
  let said: string
  try {
    said = from.run('ping', '-q', '-c', String(count), '-i', '0.05', '-W', '2', to.address)
  } catch (error) {
    said = String((error as {stdout?: unknown}).stdout)
  }
  return {answers: Number(/(\d+) received/.exec(said)?.[1] ?? 0), meanMs: Number(/= [\d.]+\/([\d.]+)\//.exec(said)?.[1] ?? Number.NaN)}
}

describe('hosts', {skip: hostsMissing()}, () => {
  let network: Network
  let one: Host
  let other: Host
  let remote: Host
  before(async () => {
    network = new Network()
    one = await network.add('one')
    other = await network.add('other')
    remote = await network.add('remote', {delayMs: 50, loss: 0.2})
  })
  after(() => network.close())

  it('reach each other, until one is blocked or unplugged', () => {
    assert.equal(ping(one, other, 3).answers, 3)
    one.block(`INPUT -s ${other.address}`)
    assert.equal(ping(one, other, 1).answers, 0)
    one.unblock()
    assert.equal(ping(one, other, 2).answers, 2)
    other.unplug()
    assert.equal(ping(one, other, 1).answers, 0)
    other.plug()
    assert.ok(ping(one, other, 4).answers > 0)
  })

  it('a slow link takes its time both ways, and loses some', () => {
    const {answers, meanMs} = ping(one, remote, 40)
    assert.ok(answers > 5 && answers < 40, `${answers} of 40`)
    assert.ok(meanMs >= 100, `${meanMs} ms`)
  })
})
