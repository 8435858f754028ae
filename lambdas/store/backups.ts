// What is known of backups. Dumps are in the artifact store, and stay there when their backup is forgotten.
import type {Backup} from '#shared/domain/backup.ts'
import {exists, formationActive, notExists} from './conditions.ts'
import {domainOf, typed} from './items.ts'
import {whyNotActive} from './scales.ts'
import {keys} from './schema.ts'
import {get, query, type Table, transact, writeNoting} from './table.ts'
import type {BackupStore} from './types.ts'

const newestFirst = (a: Backup, b: Backup): number => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1)

const list = async (table: Table, formation: string, service?: string): Promise<readonly Backup[]> => {
  const {pk} = keys.backup(formation, '', '')
  const found = service === undefined ? await query(table, pk) : await query(table, pk, {prefix: keys.backup(formation, service, '').sk})
  return found.map(item => domainOf<Backup>(item, 'restoredAt')).sort(newestFirst)
}

export const createBackupStore = (table: Table): BackupStore => ({
  list: formation => list(table, formation),

  create: async (backup, keep) => {
    const {formation, service, id, sha256, bytes} = backup
    const dropped = (await list(table, formation, service)).slice(keep - 1)
    const refused = await transact(
      table,
      [
        {check: keys.formation(formation), when: formationActive},
        {put: typed('backup', keys.backup(formation, service, id), backup), when: notExists},
        ...dropped.map(each => ({delete: keys.backup(formation, service, each.id)})),
      ],
      {
        action: 'backup.create',
        formation,
        what: `backup ${id} of ${service}`,
        to: {sha256, bytes, forgotten: dropped.map(each => each.id)},
      },
    )
    return refused === undefined ? {outcome: 'ok'} : whyNotActive(table, formation)
  },

  note: async (formation, service, id, event, now) => {
    const key = keys.backup(formation, service, id)
    const set = event === 'restored' ? {restoredAt: now} : {verified: {at: now, ok: event === 'verified'}}
    const deed = {action: `backup.${event}`, formation, what: `backup ${id} of ${service}`} as const
    if (!(await writeNoting(table, {update: key, change: {set}, when: exists}, deed))) return {outcome: 'missing'}
    const item = await get(table, key)
    return item === undefined ? {outcome: 'missing'} : {outcome: 'ok', backup: domainOf<Backup>(item, 'restoredAt')}
  },
})
