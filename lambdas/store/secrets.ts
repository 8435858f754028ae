// Secrets of formations, sealed. Values are never here in the clear, nor in lists and audit.
import {exists, formationActive} from './conditions.ts'
import {domainOf} from './items.ts'
import {whyNotActive} from './scales.ts'
import {keys} from './schema.ts'
import {get, type Item, query, type Table, transact, writeNoting} from './table.ts'
import type {SecretRecord, SecretStore} from './types.ts'

/** In a formation. */
export const secretsMax = 200

const recordOf = (item: Item): SecretRecord => domainOf<SecretRecord>(item, 'sealed', 'formation')

const list = async (table: Table, formation: string): Promise<readonly SecretRecord[]> =>
  (await query(table, keys.secret(formation, '').pk)).map(recordOf)

export const createSecretStore = (table: Table): SecretStore => ({
  list: formation => list(table, formation),

  set: async (formation, name, sealed, updatedBy, now) => {
    const others = await list(table, formation)
    const before = others.find(each => each.name === name)
    if (before === undefined && others.length >= secretsMax) return {outcome: 'full'}
    const key = keys.secret(formation, name)
    const version = (before?.version ?? 0) + 1
    const set = {type: 'secret', formation, name, sealed, updatedBy, updatedAt: now}
    const refused = await transact(
      table,
      [
        {check: keys.formation(formation), when: formationActive},
        {update: key, change: {set, add: {version: 1}}},
      ],
      {
        action: 'secret.set',
        formation,
        what: `secret ${name}`,
        ...(before !== undefined && {from: {version: before.version}}),
        to: {version},
      },
    )
    if (refused !== undefined) return whyNotActive(table, formation)
    return {outcome: 'ok', secret: {name, version, updatedAt: now, updatedBy}}
  },

  sealed: async (formation, name) => {
    const item = await get(table, keys.secret(formation, name))
    return item?.sealed as Awaited<ReturnType<SecretStore['sealed']>>
  },

  delete: async (formation, name) => {
    const deed = {action: 'secret.delete', formation, what: `secret ${name}`} as const
    return {outcome: (await writeNoting(table, {delete: keys.secret(formation, name), when: exists}, deed)) ? 'ok' : 'missing'}
  },
})
