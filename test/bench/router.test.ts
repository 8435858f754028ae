// That bench/router measures what it says: every candidate passes the load on, and its CPU is counted.
import assert from 'node:assert/strict'
import {spawnSync} from 'node:child_process'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {test} from 'node:test'
import {Processes, startCandidates, startUpstream} from '#bench/router/candidates.ts'
import {runLoad, scenarios} from '#bench/router/load.ts'
import {cpuMsOf} from '#bench/stages/figures.ts'
import {closedPort, Feed} from '../proxy/rig.ts'

const missing = ['nginx', 'haproxy', 'wrk'].filter(program => spawnSync(program, ['-v']).error !== undefined)

test('all candidates answer all of the load', {skip: missing.length === 0 ? false : `needs ${missing.join(', ')}`}, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'gilliam-bench-router-'))
  const processes = new Processes()
  const feed = new Feed()
  t.after(async () => {
    await processes.end()
    await feed.stop()
    rmSync(folder, {recursive: true, force: true})
  })
  const ports = await Promise.all(Array.from({length: 6}, closedPort))
  const upstream = [ports[4] ?? 0, ports[5] ?? 0] as const
  await feed.start()
  await startUpstream(processes, folder, upstream)
  const candidates = await startCandidates(processes, feed, {folder, ports, upstream})
  assert.deepEqual(
    candidates.map(({name}) => name),
    ['gilliam', 'haproxy', 'nginx'],
  )
  for (const {name, port, pid} of candidates) {
    const before = cpuMsOf(pid)
    for (const scenario of scenarios.filter(({connections}) => connections > 8))
      assert.ok((await runLoad(scenario, port, 1, folder)).requests > 0, `${name}: ${scenario.name}`)
    assert.ok(cpuMsOf(pid) > before, name)
  }
})
