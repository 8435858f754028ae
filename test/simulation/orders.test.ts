// Everything goes away at once and comes back one by one, in every order there is: the outcome is the same.
import assert from 'node:assert/strict'
import {describe, it} from 'node:test'
import {isTerminal} from '#shared/domain/instance.ts'
import {createExpressions} from '#shared/expressions.ts'
import {begin} from './commands.ts'
import {unsettled} from './settled.ts'
import {quiet} from './timeline.ts'
import {World} from './world.ts'

const parts = ['control plane', 'agents', 'readers'] as const
type Part = (typeof parts)[number]

/** Between two that come back; all of it less than a lease, so that nothing is given up. */
const betweenMs = 10_000
const settledWithinMs = 120_000

const orders = parts.flatMap(first =>
  parts.filter(each => each !== first).map(second => [first, second, parts.find(each => each !== first && each !== second) as Part]),
)

const pass = async ({timeline}: World, isOver: () => boolean): Promise<void> => {
  while (!isOver()) {
    timeline.step()
    await quiet()
  }
}

const settled = async (world: World): Promise<void> => {
  const {timeline} = world
  const since = timeline.now
  let off: string | undefined = ''
  let lookAt = since + 5_000
  await pass(world, () => {
    if (timeline.now < lookAt) return false
    lookAt += 1_000
    off = unsettled(world)
    return off === undefined || timeline.now - since > settledWithinMs
  })
  assert.equal(off, undefined)
}

/** What lives, where it was placed, and the processes of it. */
const outcome = ({invariants, hostList}: World) => ({
  instances: [...invariants.instances.values()]
    .filter(({state}) => !isTerminal(state))
    .map(({id, executor, state}) => `${id} ${executor} ${state}`)
    .sort(),
  processes: hostList.flatMap(({processes}) => [...processes.values()].map(process => process)),
})

const end = (world: World, isReboot: boolean): void => {
  world.plane.stop()
  for (const host of world.hostList) isReboot ? host.reboot() : host.killAgent()
  for (const reader of world.readers) reader.link.isCut = true
}

const start: Record<Part, (world: World) => void> = {
  'control plane': ({plane}) => plane.start(),
  agents: ({hostList}) => {
    for (const host of hostList) host.startAgent()
  },
  readers: ({readers}) => {
    for (const reader of readers) {
      reader.link.isCut = false
      reader.restart()
    }
  },
}

describe('whichever side comes back first', () => {
  for (const isReboot of [false, true])
    for (const order of orders)
      it(`${isReboot ? 'hosts were started anew' : 'processes run on'}: ${order.join(', then ')}`, async () => {
        const world = new World({seed: 11, hosts: 3, expressions: createExpressions()})
        const {timeline, invariants} = world
        world.isCalm = true
        void begin(world)
        await settled(world)
        const before = outcome(world)
        assert.ok(before.instances.length > 3)
        end(world, isReboot)
        for (const part of order) {
          const at = timeline.now + betweenMs
          start[part](world)
          await pass(world, () => timeline.now >= at)
        }
        await settled(world)
        const after = outcome(world)
        assert.deepEqual(after.instances, before.instances)
        assert.equal(
          after.processes.every(process => before.processes.includes(process) !== isReboot),
          true,
        )
        assert.equal(invariants.violation, undefined)
      })
})
