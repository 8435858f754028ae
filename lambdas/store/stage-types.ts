// Types of backing services that a stage adds, as their files. What a file says is not looked at here.
import {exists} from './conditions.ts'
import {domainOf, typed} from './items.ts'
import {keys} from './schema.ts'
import {get, query, type Table, writeNoting} from './table.ts'
import type {StageType, StageTypeStore} from './types.ts'

/** In a stage. A file has 64 KiB at most: a listing stays below what a function may answer. */
export const stageTypesMax = 50

const list = async (table: Table): Promise<readonly StageType[]> =>
  (await query(table, keys.auxiliaryType('').pk)).map(item => domainOf<StageType>(item))

export const createStageTypeStore = (table: Table): StageTypeStore => ({
  list: () => list(table),

  get: async name => {
    const item = await get(table, keys.auxiliaryType(name))
    return item === undefined ? undefined : domainOf<StageType>(item)
  },

  set: async type => {
    const others = await list(table)
    const before = others.find(({name}) => name === type.name)
    if (before === undefined && others.length >= stageTypesMax) return {outcome: 'full'}
    const digests = {...(before !== undefined && {from: {sha256: before.sha256}}), to: {sha256: type.sha256}}
    const put = typed('auxiliary-type', keys.auxiliaryType(type.name), type)
    await writeNoting(table, {put}, {action: 'type.set', what: `type ${type.name}`, ...digests})
    return {outcome: 'ok'}
  },

  delete: async name => {
    const deed = {action: 'type.delete', what: `type ${name}`} as const
    return {outcome: (await writeNoting(table, {delete: keys.auxiliaryType(name), when: exists}, deed)) ? 'ok' : 'missing'}
  },
})
