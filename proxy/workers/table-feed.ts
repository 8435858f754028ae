// Answers workers as the control plane's feed would, out of the primary's own directory: one poll serves all of them, and a new worker has its table at once.
import type {Asked, Directory, Discovered} from '../directory.ts'
import type {Discovery} from '../discovery.ts'

export interface TableFeedOptions {
  readonly directory: Directory
  readonly discovery: Discovery
  readonly now: () => number
}

/** A worker that knows nothing yet is kept waiting this long for the first table. */
const firstTableWaitMs = 10_000

const hasNews = ({formations, routes}: Discovered): boolean => routes !== undefined || Object.keys(formations).length > 0

/** Answers what one worker asks; undefined when the control plane is out of reach, for the worker to go on with what it has. */
export const createTableFeed = ({directory, discovery, now}: TableFeedOptions) => {
  return async (asked: Asked & {readonly holdMs?: number}): Promise<Discovered | undefined> => {
    await Promise.all(Object.keys(asked.formations).map(name => discovery.find(name)))
    const holdMs = directory.loaded ? (asked.holdMs ?? 0) : firstTableWaitMs
    const until = now() + holdMs
    for (;;) {
      const told = directory.tell(asked, now())
      const leftMs = until - now()
      const isWaiting = !directory.loaded || (!directory.outOfReach && !hasNews(told))
      if (isWaiting && leftMs > 0 && (await discovery.changed(leftMs))) continue
      return directory.loaded && !directory.outOfReach ? told : undefined
    }
  }
}

export type TableFeed = ReturnType<typeof createTableFeed>
