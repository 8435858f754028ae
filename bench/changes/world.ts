// The stage that is changed, and what a change needs to know of it: which release is current, and whether everything has come to rest.
import {setTimeout as sleep} from 'node:timers/promises'
import type {Client} from '#shared/client.ts'
import {type Stage, until} from '#test/platform/stage.ts'
import type {Journal} from './journal.ts'
import {formation, service, touchProject} from './project.ts'

/** How long things are left as they are. */
export interface Pace {
  /** One step of a canary. */
  readonly stepMs: number
  /** Between two flips of all the weight. */
  readonly flipMs: number
  readonly flips: number
  /** Between two kills, if the instance is back by then. */
  readonly killMs: number
  readonly kills: number
  readonly routeSwaps: number
  /** After a change, so that what follows from it counts as its own. */
  readonly restMs: number
}

export const unhurried: Pace = {stepMs: 3_000, flipMs: 700, flips: 6, killMs: 3_000, kills: 5, routeSwaps: 20, restMs: 1_000}
export const quickPace: Pace = {stepMs: 1_500, flipMs: 400, flips: 4, killMs: 2_000, kills: 3, routeSwaps: 8, restMs: 300}

export interface Listed {
  readonly id: string
  readonly service: string
  readonly release: number
  readonly state: string
}

export interface World {
  readonly stage: Stage
  readonly client: Client
  readonly journal: Journal
  readonly project: string
  readonly pace: Pace
  readonly progress: (text: string) => void
  /** The latest release, the one that runs between changes. */
  release: number
  deploys: number
}

export const listed = async ({client}: World): Promise<readonly Listed[]> => {
  const {items} = await client.call('listInstances', {params: {formation}})
  return items.filter(each => each.service === service)
}

/** Waits until exactly `count` instances live, all of them running. */
export const rest = async (world: World, count: number): Promise<void> => {
  await until(`${count} instances to run`, async () => {
    const all = await listed(world)
    return all.length === count && all.every(({state}) => state === 'running')
  })
  await sleep(world.pace.restMs)
}

/** `gilliam deploy` of a project that differs from the last; the number of the release. */
export const deploy = async (world: World, ...flags: readonly string[]): Promise<number> => {
  world.deploys += 1
  touchProject(world.project, world.deploys)
  const {stdout} = await world.stage.must(['deploy', '--json', ...flags], world.project)
  return (JSON.parse(stdout) as {release: number}).release
}

export const gilliam = (world: World, ...args: readonly string[]): Promise<unknown> => world.stage.must([...args, '-f', formation])
