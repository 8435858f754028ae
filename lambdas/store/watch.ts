// Since when leases have been watched without a gap: after an outage of the control plane, nobody is lost before it has watched for a whole lease.
import {watchedAt} from './conditions.ts'
import {typed} from './items.ts'
import {keys} from './schema.ts'
import {get, type Table, write} from './table.ts'
import type {WatchStore} from './types.ts'

const tickTriesMax = 4

export const createWatchStore = (table: Table): WatchStore => ({
  tick: async (now, maxGapMs, isHeard = true) => {
    for (let tries = 0; tries < tickTriesMax; tries++) {
      const item = await get(table, keys.watch())
      const lastAt = item?.lastAt as number | undefined
      const since = isHeard && lastAt !== undefined && now - lastAt <= maxGapMs ? (item?.since as number) : now
      if (lastAt !== undefined && lastAt >= now) return since
      const put = typed('watch', keys.watch(), {since, lastAt: now})
      if ((await write(table, {put, when: watchedAt(lastAt)})) !== undefined) return since
    }
    // Others tick at this moment and keep the record; saying “since now” only delays a verdict.
    return now
  },
})
