// One round of cleaning up: what is left of instances that nobody knows, and what is too much of all that nobody uses. Owns when nothing; run.ts calls it.
import {endedFolders} from './cleanup.ts'
import type {Parts, World} from './compose.ts'
import {slugsOf} from './launcher.ts'
import {budgetOf, keepWithin, type Leftover} from './leftovers.ts'
import type {Layout, Settings} from './settings.ts'

export interface Tidying {
  readonly parts: Pick<Parts, 'agent' | 'slugs' | 'chores'>
  readonly settings: Pick<Settings, 'home' | 'unusedBytesMax'>
  readonly layout: Layout
  readonly world: Pick<World, 'tidy' | 'unused' | 'log'>
}

/** Never rejects: what could not be done is logged, and done the next time. */
export const tidyUp = async ({parts, settings, layout, world}: Tidying): Promise<void> => {
  const {agent, slugs, chores} = parts
  const {log} = world
  const onError = (error: unknown, what: string) => log.warn({err: error}, what)
  // What one of them can not tell does not keep the others.
  const ask = (source: Promise<readonly Leftover[]> | undefined, what: string): Promise<readonly Leftover[]> =>
    (source ?? Promise.resolve([])).catch(error => {
      onError(error, `which ${what} nobody uses can not be told`)
      return []
    })
  const {records} = agent
  await world.tidy?.(records).catch(error => onError(error, 'could not clean up after what runs instances'))
  const unused = await Promise.all([
    ask(
      endedFolders(layout.instances, key => records.has(key)),
      'folders of instances',
    ),
    ask(slugs.unused(slugsOf([...records.values()].map(({assignment}) => assignment))), 'slugs'),
    ask(
      world.unused?.(records, release => chores.keeps(release)),
      'images',
    ),
  ])
  const bytesMax = settings.unusedBytesMax ?? (await budgetOf([settings.home]))
  const gone = await keepWithin(unused.flat(), bytesMax, onError)
  if (gone.length > 0) log.info({gone}, 'removed what nobody uses')
}
