// What goes wrong, at random: each fault is one entry of a table, begins at once and ends by itself.
import type {Host} from './host.ts'
import type {World} from './world.ts'

const second = 1_000
const minute = 60_000
/** Each so many hosts have the faults of one stage. */
export const hostsPerFault = 20
/** Clocks of hosts are set, forwards and backwards, to be wrong by so much at most. */
const clockOffMsMax = 60 * minute

/** Evenly between two times. */
const between = ({random}: World, first: number, last: number): number => first + (last - first) * random.next()

const anyHost = (world: World): Host | undefined => world.random.pick(world.hostList)

/** Something that is undone after a while, on one host. */
const forAWhile = (world: World, ms: number, name: string, end: (host: Host) => void, begin: (host: Host) => void): void => {
  const host = anyHost(world)
  if (host === undefined) return
  host.trouble()
  begin(host)
  world.timeline.after(ms, `${host.id} ${name} ends`, () => {
    host.trouble()
    end(host)
  })
}

const cut = (world: World, ms: number): void =>
  forAWhile(
    world,
    ms,
    'partition',
    host => {
      host.link.isCut = false
    },
    host => {
      host.link.isCut = true
    },
  )

const reboot = (world: World, change: (host: Host) => void = () => undefined): void =>
  forAWhile(
    world,
    between(world, 5 * second, 3 * minute),
    'reboot',
    host => host.startAgent(),
    host => {
      host.reboot()
      change(host)
    },
  )

const agentAway = (world: World, change: (host: Host) => void = () => undefined): void =>
  forAWhile(
    world,
    world.random.chance(0.8) ? between(world, 0, 10 * second) : between(world, minute, 5 * minute),
    'agent',
    host => host.startAgent(),
    host => {
      host.killAgent()
      change(host)
    },
  )

const down = (world: World): void => {
  if (!world.plane.isUp) return
  world.plane.stop()
  const ms = world.random.chance(0.5) ? between(world, second, 30 * second) : between(world, minute, 10 * minute)
  world.timeline.after(ms, 'control plane comes up', () => {
    if (!world.plane.isUp) world.plane.start()
  })
}

/** A machine is told to go, perhaps when; some go then, and some of those come back. */
const notice = (world: World): void => {
  const host = anyHost(world)
  if (host === undefined) return
  const {random, timeline} = world
  const ms = between(world, 10 * second, 4 * minute)
  const told = {reason: 'maintenance', ...(random.chance(0.5) && {at: timeline.now + ms})}
  host.notice = told
  const isOver = (): boolean => host.notice !== told
  timeline.after(ms, `${host.id} was to go`, () => {
    if (isOver()) return
    if (random.chance(0.3)) {
      host.reboot()
      timeline.after(between(world, 5 * second, 2 * minute), `${host.id} comes up`, () => host.startAgent())
    }
    host.notice = undefined
  })
}

const anyProcess = (world: World, act: (host: Host, key: string) => void): void => {
  const host = anyHost(world)
  const key = world.random.pick([...(host?.processes.keys() ?? [])])
  if (host !== undefined && key !== undefined) act(host, key)
}

/** Everything at once: hosts lose power together, and the control plane with them. */
const blackout = (world: World): void => {
  down(world)
  for (const host of world.hostList) {
    host.reboot()
    world.timeline.after(between(world, 5 * second, minute), `${host.id} comes up`, () => host.startAgent())
  }
}

interface Fault {
  readonly weight: number
  readonly begin: (world: World) => void
  /** Of the whole stage, and so no more frequent where there are many hosts. */
  readonly isOfAll?: true
}

export const faults = {
  agentKilled: {weight: 6, begin: (world: World) => agentAway(world)},
  agentForgets: {weight: 2, begin: (world: World) => agentAway(world, host => host.forget())},
  reboot: {weight: 3, begin: (world: World) => reboot(world)},
  reinstall: {weight: 1, begin: (world: World) => reboot(world, host => host.reinstall())},
  blackout: {weight: 0.2, isOfAll: true, begin: blackout},
  shortPartition: {weight: 4, begin: (world: World) => cut(world, between(world, second, 30 * second))},
  longPartition: {weight: 3, begin: (world: World) => cut(world, between(world, 40 * second, 5 * minute))},
  badLink: {
    weight: 6,
    begin: (world: World) =>
      forAWhile(
        world,
        between(world, 10 * second, 2 * minute),
        'bad link',
        host => Object.assign(host.link, {lossShare: 0, heldUpShare: 0}),
        host => Object.assign(host.link, {lossShare: 0.4 * world.random.next(), heldUpShare: 0.4 * world.random.next()}),
      ),
  },
  notice: {weight: 3, begin: notice},
  clockIsSet: {
    weight: 2,
    begin: (world: World) => {
      const host = anyHost(world)
      if (host !== undefined) host.skewMs = between(world, -clockOffMsMax, clockOffMsMax)
    },
  },
  readerCut: {
    weight: 1,
    isOfAll: true,
    begin: (world: World) => {
      const reader = world.random.pick(world.readers)
      if (reader === undefined) return
      reader.link.isCut = true
      world.timeline.after(between(world, second, 3 * minute), 'reader is back', () => {
        reader.link.isCut = false
      })
    },
  },
  readerRestarts: {weight: 1, isOfAll: true, begin: (world: World) => world.random.pick(world.readers)?.restart()},
  planeDown: {weight: 1, isOfAll: true, begin: down},
  replicaCrashes: {weight: 6, isOfAll: true, begin: (world: World) => world.plane.crashOne()},
  badStream: {
    weight: 2,
    isOfAll: true,
    begin: (world: World) => {
      world.plane.faults = {lost: 0.5 * world.random.next(), repeated: 0.5 * world.random.next(), late: 0.5 * world.random.next()}
      world.timeline.after(between(world, 10 * second, 2 * minute), 'the stream is well', () => {
        world.plane.faults = {lost: 0, repeated: 0, late: 0}
      })
    },
  },
  processCrashes: {
    weight: 6,
    begin: (world: World) =>
      anyProcess(world, (host, key) => {
        const process = host.processes.get(key)
        if (process !== undefined) host.exit(process, {code: 1})
      }),
  },
  processHangs: {
    weight: 3,
    begin: (world: World) =>
      anyProcess(world, (host, key) => {
        const process = host.processes.get(key)
        if (process === undefined) return
        host.setHealth(process, false)
        world.timeline.after(between(world, second, minute), `${key} answers again`, () => host.setHealth(process, true))
      }),
  },
} as const satisfies Record<string, Fault>

export type FaultName = keyof typeof faults

/** How often it happens beside the others. */
export const weightOf = (name: FaultName, {hosts}: World): number => {
  const {weight, isOfAll}: Fault = faults[name]
  return isOfAll === true ? weight / Math.max(1, hosts.size / hostsPerFault) : weight
}

export const faultNames = Object.keys(faults) as FaultName[]

/** Nothing is wrong from now on. */
export const heal = (world: World): void => {
  world.isCalm = true
  world.plane.faults = {lost: 0, repeated: 0, late: 0}
  if (!world.plane.isUp) world.plane.start()
  for (const host of world.hostList) {
    Object.assign(host.link, {isCut: false, lossShare: 0, heldUpShare: 0})
    host.notice = undefined
    if (host.agent === undefined) host.trouble()
    host.startAgent()
    for (const process of [...host.processes.values()]) host.setHealth(process, true)
  }
  for (const reader of world.readers) reader.link.isCut = false
}
