// The table of faults: what happens to a system on several hosts, and what its users may see of it.
import {writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {until} from '#test/platform/stage.ts'
import type {Fault} from './fault.ts'
import {boxManifest, scales, signals} from './project.ts'
import {containerHost, diskMib, plainHosts, ports, type Rig, smallHost} from './rig.ts'

/** Executors' leases are 45 s; routers set aside at once what they can not reach. */
const nothing = {failsForMsMax: 0, isReplaced: false}
const atFirst = {failsForMsMax: 15_000, isReplaced: false}

const clockOff = (offMs: number): string => new URL(`clock.ts?offMs=${offMs}`, import.meta.url).href

/** Between the control plane's host and one executor, in both directions. */
const cutFromControlPlane = async (rig: Rig, host: string): Promise<void> => {
  const port = new URL(rig.hosted.stage.urls.api).port
  rig.host(host).block(`OUTPUT -p tcp -d ${rig.hosted.center.address} --dport ${port}`)
}

/** What others may not reach any more on a host: its instances. */
const cutFromRouter = async (rig: Rig, host: string): Promise<void> =>
  rig.host(host).block(`INPUT -p tcp -s ${rig.hosted.center.address} --dport 20000:29999`)

const unblock = (host: string) => async (rig: Rig) => rig.host(host).unblock()

const kills: readonly Fault[] = [
  {
    name: 'agent-kill',
    what: '`kill -9` of an agent, started again after 2 s',
    asks: 'web',
    strike: rig => rig.killAgent('h1'),
    heal: rig => rig.startAgent('h1'),
    expect: nothing,
  },
  {
    name: 'control-plane-kill',
    what: '`kill -9` of the control plane, started again after 5 s',
    asks: 'web',
    strike: async rig => process.kill(rig.hosted.stage.urls.pid, 'SIGKILL') && undefined,
    heal: rig => rig.startPlatform(),
    expect: nothing,
    controlPlaneDown: true,
  },
  {
    name: 'database-kill',
    what: '`kill -9` of the database',
    asks: 'web',
    strike: async rig => rig.killPlatform(/dynoxide/),
    heal: async () => undefined,
    expect: nothing,
  },
  {
    name: 'router-kill',
    what: '`kill -9` of the only router, its workers too',
    asks: 'web',
    strike: async rig => rig.killPlatform(/^(?!.*sh -c).*node.*\.mjs router/),
    heal: async () => undefined,
    expect: {failsForMsMax: 10_000, isReplaced: false},
    routerStruck: true,
  },
  {
    name: 'instance-kill',
    what: '`kill -9` of an instance',
    asks: 'web',
    strike: async rig => process.kill(rig.mainOf('h1', 'web').pid, 'SIGKILL') && undefined,
    heal: async () => undefined,
    expect: atFirst,
  },
]

const hosts: readonly Fault[] = [
  {
    name: 'host-reboot',
    what: 'a host loses power and is up again after 20 s',
    asks: 'web',
    lastsMs: () => 20_000,
    strike: rig => rig.powerOff('h1'),
    heal: async rig => rig.powerOn('h1'),
    expect: atFirst,
  },
  {
    name: 'host-gone',
    what: 'the same, up again after its lease was over',
    asks: 'web',
    lastsMs: ({longMs}) => longMs,
    strike: rig => rig.powerOff('h1'),
    heal: async rig => rig.powerOn('h1'),
    expect: {...atFirst, isReplaced: true},
  },
  {
    name: 'two-hosts-gone',
    what: 'two of the three hosts lose power at once, and are up again after their leases were over',
    asks: 'web',
    lastsMs: ({longMs}) => longMs,
    strike: async rig => {
      await Promise.all([rig.powerOff('h1'), rig.powerOff('h2')])
    },
    heal: async rig => {
      rig.powerOn('h1')
      rig.powerOn('h2')
    },
    expect: {failsForMsMax: 60_000, isReplaced: true},
  },
]

const partitions: readonly Fault[] = [
  {
    name: 'partition-short',
    what: 'a host is cut off from everything',
    asks: 'web',
    lastsMs: ({shortMs}) => shortMs,
    strike: async rig => rig.host('h2').unplug(),
    heal: async rig => rig.host('h2').plug(),
    expect: atFirst,
  },
  {
    name: 'partition-long',
    what: 'the same, for longer than its lease',
    asks: 'web',
    lastsMs: ({longMs}) => longMs,
    strike: async rig => rig.host('h2').unplug(),
    heal: async rig => rig.host('h2').plug(),
    expect: {...atFirst, isReplaced: true},
  },
  {
    name: 'partition-control-plane',
    what: 'an agent is cut off from the control plane only, for longer than its lease',
    asks: 'web',
    lastsMs: ({longMs}) => longMs,
    strike: rig => cutFromControlPlane(rig, 'h2'),
    heal: unblock('h2'),
    expect: {failsForMsMax: 0, isReplaced: true},
  },
  {
    name: 'partition-all-agents',
    what: 'all agents are cut off from the control plane, for longer than their leases; the router is not',
    asks: 'web',
    lastsMs: ({longMs}) => longMs,
    strike: async rig => {
      for (const host of plainHosts) await cutFromControlPlane(rig, host)
    },
    heal: async rig => {
      for (const host of plainHosts) rig.host(host).unblock()
    },
    expect: nothing,
  },
  {
    name: 'partition-router',
    what: 'a host is cut off from the router only',
    asks: 'web',
    lastsMs: ({longMs}) => longMs,
    strike: rig => cutFromRouter(rig, 'h2'),
    heal: unblock('h2'),
    expect: atFirst,
  },
]

const filler = (rig: Rig): string => join(rig.home(smallHost), 'filler')

const machines: readonly Fault[] = [
  {
    name: 'disk-full',
    what: 'the disk of an agent’s home is full; the agent is killed and started again; three more instances are wanted',
    asks: 'web',
    lastsMs: ({shortMs}) => shortMs,
    strike: async rig => {
      rig.hosted
        .executor(smallHost)
        .host.run('sh', '-c', `dd if=/dev/zero of=${filler(rig)} bs=1M count=${2 * diskMib} 2>/dev/null || true`)
      await rig.killAgent(smallHost)
      await rig.startAgent(smallHost)
      await rig.scale('web', (scales.web ?? 0) + 3)
    },
    heal: async rig => writeFileSync(filler(rig), ''),
    cleanUp: rig => rig.scale('web', scales.web ?? 0),
    expect: nothing,
  },
  {
    name: 'out-of-memory',
    what: 'an instance takes memory until the kernel ends it',
    asks: 'web',
    strike: async rig => process.kill(rig.mainOf('h1', 'web').pid, signals.takeMemory) && undefined,
    heal: async () => undefined,
    expect: atFirst,
  },
  {
    name: 'fork-bomb',
    what: 'an instance starts processes until it may not (`limits.pids: 64`); it is killed after that',
    asks: 'web',
    strike: async rig => process.kill(rig.mainOf('h1', 'web').pid, signals.takeProcesses) && undefined,
    heal: async rig => {
      const bombs = new Map<string, number[]>()
      for (const {id, pid} of rig.processes()) bombs.set(id, [...(bombs.get(id) ?? []), pid])
      const [, pids = []] = [...bombs].sort((a, b) => b[1].length - a[1].length)[0] ?? []
      const main = rig.processes().find(({isMain, pid}) => isMain && pids.includes(pid))
      if (main !== undefined) process.kill(main.pid, 'SIGKILL')
      await until('what it started to end', async () => rig.processes().filter(({id, isMain}) => id === main?.id && !isMain).length <= 1)
    },
    expect: atFirst,
  },
  {
    name: 'port-clash',
    what: 'another program listens on half of a host’s range and on the port of an instance that ended; three more instances are wanted',
    asks: 'web',
    lastsMs: ({shortMs}) => shortMs,
    strike: async rig => {
      await rig.killAgent(smallHost)
      const {pid, port} = rig.mainOf(smallHost, 'web')
      process.kill(pid, 'SIGKILL')
      await until('it to end', async () => rig.processes().every(each => each.pid !== pid))
      const half = Array.from({length: (ports.last - ports.first + 1) / 2}, (_, n) => ports.first + n)
      rig.later(await rig.program(smallHost, 'occupy.ts', rig.host(smallHost).address, ...new Set([port, ...half].map(String))))
      await rig.startAgent(smallHost)
      await rig.scale('web', (scales.web ?? 0) + 3)
    },
    heal: async rig => rig.undo(),
    cleanUp: rig => rig.scale('web', scales.web ?? 0),
    expect: atFirst,
  },
  {
    name: 'clock-skew',
    what: 'an agent’s clock is 10 minutes fast, another one’s 10 minutes slow',
    asks: 'web',
    lastsMs: ({longMs}) => longMs,
    strike: async rig => {
      for (const [host, offMs] of [['h1', 600_000] as const, ['h2', -600_000] as const]) {
        await rig.killAgent(host)
        await rig.startAgent(host, `--import=${clockOff(offMs)}`)
      }
    },
    heal: async rig => {
      for (const host of ['h1', 'h2']) {
        await rig.killAgent(host)
        await rig.startAgent(host)
      }
    },
    expect: nothing,
  },
]

const containers: readonly Fault[] = [
  {
    name: 'docker-restart',
    what: 'the Docker daemon of the only host with containers is restarted',
    asks: 'box',
    strike: rig => rig.engine.end('SIGTERM'),
    heal: rig => rig.engine.start(),
    expect: {failsForMsMax: 45_000, isReplaced: false},
  },
  {
    name: 'docker-kill',
    what: '`kill -9` of the Docker daemon, started again',
    asks: 'box',
    strike: rig => rig.engine.end('SIGKILL'),
    heal: rig => rig.engine.start(),
    expect: {failsForMsMax: 45_000, isReplaced: false},
  },
  {
    name: 'docker-live-restore',
    what: 'the Docker daemon is restarted with `live-restore`',
    asks: 'box',
    setUp: async rig => {
      await rig.engine.end('SIGTERM')
      await rig.engine.start('--live-restore')
    },
    strike: rig => rig.engine.end('SIGTERM'),
    heal: rig => rig.engine.start('--live-restore'),
    // It makes the ways to their ports anew.
    expect: {failsForMsMax: 3_000, isReplaced: false},
  },
  {
    name: 'image-missing',
    what: 'a release whose image does not exist is deployed',
    asks: 'box',
    setUp: async rig => rig.later(await rig.program(containerHost, 'no-images.ts', '5000')),
    strike: async rig => {
      writeFileSync(join(rig.projects.box, 'gilliam.yml'), boxManifest(rig.formations.box, 'image: 127.0.0.1:5000/nothing:1'))
      const {code, stderr, stdout} = await rig.hosted.stage.gilliam(['deploy'], rig.projects.box)
      if (code === 0) throw new Error(`it was deployed: ${stdout}${stderr}`)
      rig.said.push(stderr.trim())
    },
    heal: async rig => {
      writeFileSync(join(rig.projects.box, 'gilliam.yml'), boxManifest(rig.formations.box))
      rig.undo()
    },
    expect: nothing,
  },
]

const outages: readonly Fault[] = [
  {
    name: 'control-plane-down',
    what: 'the control plane is down',
    asks: 'web',
    lastsMs: ({downMs}) => downMs,
    strike: async rig => {
      process.kill(rig.hosted.stage.urls.pid, 'SIGKILL')
    },
    heal: rig => rig.startPlatform(),
    expect: nothing,
    controlPlaneDown: true,
  },
]

export const faults: readonly Fault[] = [...kills, ...hosts, ...partitions, ...machines, ...containers, ...outages]
