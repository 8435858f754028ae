// What the capacity function remembers of a group of machines between two looks, as one item. Two looks at once are told apart by its version.
import {type CapacityMemory, nothingRemembered} from '#shared/domain/capacity.ts'
import {formationAtVersion as atVersion, notExists} from './conditions.ts'
import {domainOf, typed} from './items.ts'
import {keys} from './schema.ts'
import {get, type Table, transact, write} from './table.ts'
import type {CapacityStore} from './types.ts'

export const createCapacityStore = (table: Table): CapacityStore => ({
  load: async group => {
    const item = await get(table, keys.capacity(group))
    if (item === undefined) return {memory: nothingRemembered, version: 0}
    const {version, ...memory} = domainOf<CapacityMemory & {readonly version: number}>(item)
    return {memory, version}
  },

  save: async (group, version, memory) => {
    const put = typed('capacity', keys.capacity(group), {...memory, version: version + 1})
    const saved = await write(table, {put, when: version === 0 ? notExists : atVersion(version)})
    return saved === undefined ? {outcome: 'conflict'} : {outcome: 'ok'}
  },

  noteEnd: async (machine, to) => {
    if (table.noting !== undefined) await transact(table, [], {action: 'machine.end', what: `machine ${machine}`, to})
  },
})
