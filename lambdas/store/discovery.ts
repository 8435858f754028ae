// The version of each formation's registry: readers who hold an older one fetch again.
import {keys} from './schema.ts'
import {type Table, type Write, write} from './table.ts'

/** The write that moves the version: alone after a change, or in its transaction. */
export const discoveryMoves = (formation: string) =>
  ({
    update: keys.discovery(formation),
    change: {set: {type: 'discovery', formation}, add: {version: 1}},
  }) satisfies Write

/**
 * Tells readers of these formations that something changed. Called after the change is written, so that a reader who sees the new version sees the
 * change too; whoever is interrupted in between repeats the change, and with it this.
 */
export const touchDiscovery = async (table: Table, formations: readonly string[]): Promise<void> => {
  await Promise.all([...new Set(formations)].map(formation => write(table, discoveryMoves(formation))))
}
