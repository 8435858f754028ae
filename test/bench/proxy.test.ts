// That bench/proxy measures what it says: candidates pass absolute-form requests on, and every byte goes through their tunnels.
import assert from 'node:assert/strict'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {test} from 'node:test'
import {fileURLToPath} from 'node:url'
import {missing, specs, startFleet} from '#bench/proxy/candidates.ts'
import {runBulk, runPingPong} from '#bench/proxy/tunnel-loads.ts'
import {verify} from '#bench/proxy/verify.ts'
import {bundleProgram} from '#bench/router/gilliam.ts'
import {runLoad} from '#bench/router/load.ts'
import {isInstalled, Processes} from '#bench/router/processes.ts'
import {startUpstream} from '#bench/router/upstream.ts'
import {closedPort} from '../proxy/rig.ts'

const absent = ['nginx', 'wrk'].filter(program => !isInstalled(program))
const skip = absent.length === 0 ? false : `needs ${absent.join(', ')}`

test('forward proxies pass requests and tunnels on', {skip}, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'gilliam-bench-proxy-'))
  const [behind, processes] = [new Processes(), new Processes()]
  t.after(async () => {
    await behind.end()
    rmSync(folder, {recursive: true, force: true})
  })
  const [upstream, second, farEnd] = [await closedPort(), await closedPort(), await closedPort()]
  await startUpstream(behind, folder, [upstream, second])
  const far = fileURLToPath(new URL('../../bench/proxy/far-end.ts', import.meta.url))
  await behind.start({command: process.execPath, args: [far, String(farEnd)], port: farEnd})
  const able = specs.filter(spec => missing(spec) === undefined)
  const options = {processes, folder, program: await bundleProgram(folder), upstream, farEnd}
  const {candidates, stop} = await startFleet(able, options)
  t.after(stop)
  for (const candidate of candidates) {
    const {port, web, far: authority, endsSilently = false} = candidate
    assert.match(await verify(candidate), /^\S+: 200 requests/)
    const load = await runLoad({connections: 4, target: `http://${web}/`, host: web, endsSilently}, port, 1, folder)
    assert.ok(load.operations > 0)
    for (const way of ['down', 'up'] as const)
      assert.equal((await runBulk(way, {port, authority, count: 2, bytes: 1_000_000})).operations, 0.002)
    assert.ok((await runPingPong({port, authority, count: 2, seconds: 0.1})).operations > 2)
  }
})
