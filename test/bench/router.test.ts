// That bench/router measures what it says: every candidate passes the load on and does what its row claims, and its CPU is counted.
import assert from 'node:assert/strict'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {test} from 'node:test'
import {missing, specs, startFleet} from '#bench/router/candidates.ts'
import {bundleProgram} from '#bench/router/gilliam.ts'
import {runLoad} from '#bench/router/load.ts'
import {runOpenLoop} from '#bench/router/open-loop.ts'
import {isInstalled, Processes} from '#bench/router/processes.ts'
import {getRequest, routesCount, smallPath} from '#bench/router/requests.ts'
import {holdScenarios, loadScenarios} from '#bench/router/scenarios.ts'
import {startEchoes, startUpstream} from '#bench/router/upstream.ts'
import {verify} from '#bench/router/verify.ts'
import {cpuMsOfTree} from '#bench/stages/figures.ts'
import {closedPort} from '../proxy/rig.ts'

const absent = ['nginx', 'wrk'].filter(program => !isInstalled(program))
const skip = absent.length === 0 ? false : `needs ${absent.join(', ')}`
const some = specs.filter(spec => ['gilliam', 'haproxy-routes', 'nginx-2-workers'].includes(spec.name) && missing(spec) === undefined)

const scene = async (t: {after: (end: () => Promise<void>) => void}) => {
  const folder = mkdtempSync(join(tmpdir(), 'gilliam-bench-router-'))
  const [behind, processes] = [new Processes(), new Processes()]
  t.after(async () => {
    await processes.end()
    await behind.end()
    rmSync(folder, {recursive: true, force: true})
  })
  const upstreams = [await closedPort(), await closedPort()] as const
  await startUpstream(behind, folder, upstreams)
  return {folder, processes, upstreams, program: await bundleProgram(folder)}
}

test('all candidates do what they claim, and answer all of the load', {skip}, async t => {
  const {folder, processes, upstreams, program} = await scene(t)
  const {candidates, stop} = await startFleet(some, {processes, folder, program, upstreams})
  t.after(stop)
  for (const candidate of candidates) {
    const {name, pid, port} = candidate
    const before = cpuMsOfTree(pid)
    assert.match(await verify(candidate, routesCount), /of 1000 to each release/)
    assert.ok((await runLoad({connections: 16, target: '/users', bodyBytes: 65_536}, port, 1, folder)).operations > 0, name)
    assert.ok(cpuMsOfTree(pid) > before, name)
  }
})

test('a fixed rate is kept, and every request answered', {skip}, async t => {
  const {upstreams} = await scene(t)
  const [port] = upstreams
  const {operations, p50Ms, p99Ms} = await runOpenLoop({port, request: getRequest(smallPath), perSecond: 500, seconds: 1, connections: 4})
  assert.equal(operations, 500)
  assert.ok(p50Ms > 0 && p99Ms >= p50Ms)
  await assert.rejects(runOpenLoop({port, request: getRequest('/none', 'x y'), perSecond: 10, seconds: 1, connections: 1}), /400/)
})

test('connections are held, idle and as WebSockets', {skip}, async t => {
  const {folder, processes, upstreams, program} = await scene(t)
  const {ports, stop: stopEchoes} = await startEchoes(2)
  t.after(stopEchoes)
  for (const {isWebSocket, hold} of holdScenarios) {
    const fleet = await startFleet(some.slice(0, 1), {processes, folder, program, upstreams: isWebSocket ? ports : upstreams, isWebSocket})
    const held = await hold(fleet.candidates[0]?.port ?? 0, 150)
    assert.equal(held.open(), 150)
    held.close()
    await fleet.stop()
  }
})

test('every scenario has a key of its own', () => {
  const keys = [...loadScenarios, ...holdScenarios].map(({key}) => key)
  assert.equal(new Set(keys).size, keys.length)
})
