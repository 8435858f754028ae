// `gilliam rollback` against a loopback control plane: which release it goes back to.
import assert from 'node:assert/strict'
import {after, before, beforeEach, describe, it} from 'node:test'
import {GilliamError} from '#shared/errors.ts'
import {Cli} from './cli.ts'
import {FakeControlPlane} from './fake-control-plane.ts'
import {instance, release, rollout} from './samples.ts'

describe('gilliam rollback', () => {
  let cli: Cli
  let plane: FakeControlPlane
  /** How the rollout of each release ended. */
  const ended: Record<string, 'finished' | 'failed'> = {1: 'finished', 2: 'finished', 3: 'failed', 4: 'finished'}
  before(async () => {
    cli = new Cli()
    plane = await new FakeControlPlane().start()
  })
  beforeEach(() => {
    plane.calls.length = 0
    plane.answers = {
      getScale: () => ({items: [{release: 4, service: 'users', desired: 2, running: 2, waiting: 0, failed: 0}]}),
      getRelease: ({params}) => release({release: Number(params.release)}),
      getRollout: ({params}) => {
        const state = ended[params.release ?? '']
        if (state === undefined) throw new GilliamError('not_found', 'never rolled out')
        return rollout({release: Number(params.release), state})
      },
      createRollout: ({body}) => rollout({release: body.release}),
      listInstances: () => ({items: [instance({state: 'running'})]}),
    }
  })
  after(async () => {
    await plane.stop()
    cli.close()
  })
  const rollback = (...args: string[]) => cli.run(['rollback', ...args, '-f', 'crm'], plane.url)

  it('goes back to the last release that was rolled out to the end', async () => {
    const outcome = await rollback()
    assert.equal(outcome.code, 0, outcome.stderr)
    assert.equal(outcome.stdout, 'release 2\n')
    assert.match(outcome.stderr, /back from release 4 to 2/)
    assert.deepEqual(
      plane.of('createRollout').map(({body}) => body),
      [{release: 2}],
    )
  })

  it('goes where it is told, but not to where it is', async () => {
    assert.equal((await rollback('1')).stdout, 'release 1\n')
    const same = await rollback('4')
    assert.equal(same.code, 2)
    assert.match(same.stderr, /is the one that runs/)
    assert.equal((await rollback('one')).code, 2)
  })

  it('says when there is nothing to go back to or from', async () => {
    plane.answers.getRollout = () => {
      throw new GilliamError('not_found', 'never rolled out')
    }
    assert.match((await rollback()).stderr, /No release of crm before 4/)
    plane.answers.getScale = () => ({items: []})
    assert.match((await rollback()).stderr, /name the release to start/)
    assert.equal(plane.of('createRollout').length, 0)
  })
})
