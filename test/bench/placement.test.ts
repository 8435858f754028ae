// That bench/placement measures what it says: exact choices, honest peers, traces read as they are.
import assert from 'node:assert/strict'
import {mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {test} from 'node:test'
import {gilliam, naiveExact, samplingLikeKubernetes, samplingLikeNomad} from '#bench/placement/candidates.ts'
import {makeExecutors, makePending, randomFrom} from '#bench/placement/generate.ts'
import {executorsOf, generateTrace, pendingOf, readTrace} from '#bench/placement/trace.ts'

const never = Number.POSITIVE_INFINITY

test('what is measured is exact: gilliam chooses what the naive evaluation chooses, on the grid and on a trace', () => {
  for (const arrival of ['mixed', 'grouped'] as const) {
    const executors = makeExecutors(60, randomFrom(3))
    const pending = makePending(600, 20, arrival)
    assert.deepEqual(gilliam(executors, pending, never), naiveExact(executors, pending, never))
  }
  const trace = generateTrace()
  const small = {nodes: trace.nodes.slice(0, 40), tasks: trace.tasks.slice(0, 400)}
  const outcome = gilliam(executorsOf(small, 1), pendingOf(small, 1), never)
  assert.ok(outcome.unplaced > 0)
  assert.deepEqual(outcome, naiveExact(executorsOf(small, 1), pendingOf(small, 1), never))
})

test('the sampling peers place everything when there is room, and stop when their time is over', () => {
  const executors = makeExecutors(60, randomFrom(3))
  const pending = makePending(300, 20, 'mixed')
  for (const candidate of [samplingLikeKubernetes, samplingLikeNomad]) {
    assert.equal(candidate(executors, pending, never).unplaced, 0)
    assert.equal(candidate(executors, pending, 0).decided, 1)
  }
})

test('a trace is read from its two files', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'gilliam-trace-'))
  try {
    const nodes = join(folder, 'nodes.csv')
    const pods = join(folder, 'pods.csv')
    await writeFile(nodes, 'sn,cpu_milli,memory_mib,gpu,model\nn-0,32000,262144,0,\nn-1,96000,786432,8,G2\n')
    await writeFile(pods, 'name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,creation_time\np-0,6000,12288,1,460,G2|T4,LS,7\n')
    const trace = readTrace(nodes, pods)
    assert.deepEqual(
      executorsOf(trace, 1).map(({id, cpuMilli, labels}) => ({id, cpuMilli, labels})),
      [
        {id: 'n-0-0', cpuMilli: 32_000, labels: {gpus: '0'}},
        {id: 'n-1-0', cpuMilli: 96_000, labels: {gpus: '8', gpu_model: 'G2'}},
      ],
    )
    assert.deepEqual(pendingOf(trace, 1)[0]?.requirements, [
      'double(executor.labels.gpus) >= 1',
      'executor.labels.gpu_model in ["G2","T4"]',
    ])
    assert.deepEqual(gilliam(executorsOf(trace, 1), pendingOf(trace, 1), never).chosen, ['n-1-0'])
    assert.throws(() => readTrace(pods, nodes), /has no column sn/)
  } finally {
    await rm(folder, {recursive: true})
  }
})
