// What is known of backups, their plans, and the orders that agents are told. Dumps are in the artifact store: of one that is forgotten, the item stays until
// the dump is removed.
import {type Backup, type BackupOrder, backupMsMax, isShown, type ShownBackup} from '#shared/domain/backup.ts'
import {type BackupPlan, begun, ended, newPlan, rescheduled, superfluous} from '#shared/domain/backup-plan.ts'
import {all, any, backupIs, backupRunningOn, dumpIs, executorNotLost, exists, formationActive, notExists, planIs} from './conditions.ts'
import {domainOf, sortable, ttlOf, typed} from './items.ts'
import {assignmentsMove} from './placement.ts'
import {whyNotActive} from './scales.ts'
import {indexPartitions, keys} from './schema.ts'
import {type Deed, get, type Item, pause, query, type Table, transact, type Write, write, writeNoting} from './table.ts'
import type {BackupStore} from './types.ts'

/** Backups that one transaction forgets; the rest is left to the next one. */
const forgottenAtOnceMax = 50
const endTriesMax = 10

const newestFirst = (a: Backup, b: Backup): number => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1)

const backupOf = (item: Item): Backup => domainOf<Backup>(item, 'restoredAt')
/** None or one: what was forgotten is nobody's business. */
const shown = (item: Item | undefined): ShownBackup[] => (item === undefined ? [] : [backupOf(item)].filter(isShown))
const planOf = (item: Item): BackupPlan => domainOf<BackupPlan>(item)

/** The index lists what is to be looked at. */
const lookIn = (at: number, {pk, sk}: {pk: string; sk: string}) => ({
  gsi1pk: indexPartitions.backups,
  gsi1sk: `${sortable(at)}#${pk}#${sk}`,
})

/** `before` is the plan as it was read. */
const planWrite = (plan: BackupPlan, before: BackupPlan | undefined): Write & {put: Item} => {
  const key = keys.backupPlan(plan.formation, plan.service)
  const next = {...plan, version: (before?.version ?? 0) + 1}
  return {put: {...typed('backup-plan', key, next), ...lookIn(plan.lookAt, key)}, when: planIs(before?.version)}
}

const findPlan = async (table: Table, formation: string, service: string): Promise<BackupPlan | undefined> => {
  const item = await get(table, keys.backupPlan(formation, service))
  return item === undefined ? undefined : planOf(item)
}

const keyOf = ({formation, service, id}: Pick<Backup, 'formation' | 'service' | 'id'>) => keys.backup(formation, service, id)

const ofService = async (table: Table, {formation, service}: Pick<Backup, 'formation' | 'service'>): Promise<Backup[]> =>
  (await query(table, keys.backup(formation, service, '').pk, {prefix: keys.backup(formation, service, '').sk})).map(backupOf)

/** Not before its upload address has ended: what comes late would stay. */
const forgetting = (backup: Backup, now: number) => ({
  update: keyOf(backup),
  change: {set: {state: 'forgotten', ...lookIn(Math.max(now, backup.uploadUntil ?? now), keyOf(backup))}},
  when: backupIs(backup.state),
})

const deedOf = (action: Deed['action'], {formation, service, id}: Pick<Backup, 'formation' | 'service' | 'id'>, to?: unknown): Deed => ({
  action,
  formation,
  what: `backup ${id} of ${service}`,
  ...(to !== undefined && {to}),
})

interface StoredOrder extends BackupOrder {
  readonly expiresAt: number
}

const orderOf = (item: Item): BackupOrder => {
  const {expiresAt: _, ...order} = domainOf<StoredOrder>(item)
  return order
}

/** Those that still hold. */
export const backupOrdersOf = (items: readonly Item[], now: number): BackupOrder[] =>
  items.filter(({type, expiresAt}) => type === 'backup-order' && (expiresAt as number) > now).map(orderOf)

const begin =
  (table: Table): BackupStore['begin'] =>
  async (before, backup, {command, keep}) => {
    const {formation, service, id, instance, executor, by, createdAt: now} = backup
    if (before?.ongoing !== undefined) return {outcome: 'conflict'}
    const until = now + backupMsMax
    const ongoing = {id, instance, executor, until, keep, scheduled: by === undefined}
    const order = {id, formation, service, instance, command, until, expiresAt: until}
    const refused = await transact(
      table,
      [
        {check: keys.formation(formation), when: formationActive},
        planWrite(begun(before ?? newPlan(backup, now), ongoing, now), before),
        {put: typed('backup', keyOf(backup), backup), when: notExists},
        {put: {...typed('backup-order', keys.backupOrder(executor, id), order), ttl: ttlOf(until)}, when: notExists},
        {...assignmentsMove(executor), when: executorNotLost},
      ],
      deedOf('backup.create', backup, {instance, executor}),
    )
    if (refused === undefined) return {outcome: 'ok'}
    if (refused.includes(0)) return whyNotActive(table, formation)
    return {outcome: refused.includes(4) ? 'lost' : 'conflict'}
  }

/** How a backup ends, and with it what its plan had under way. */
const ending = (backup: Backup, result: Parameters<BackupStore['end']>[1], now: number): Write => {
  const isGood = 'good' in result
  const key = keyOf(backup)
  // A dump that was announced may have come, or may still come.
  const leftover = isGood || backup.uploadUntil === undefined ? {} : lookIn(Math.max(now, backup.uploadUntil), key)
  const told = isGood ? {state: 'good', ...result.good} : {state: 'failed', reason: result.reason}
  return {update: key, change: {set: {...told, ...leftover, endedAt: now}}, when: backupRunningOn(backup.executor)}
}

const end =
  (table: Table): BackupStore['end'] =>
  async (of, result, now) => {
    const {formation, service, id, executor} = of
    for (let tries = 1; tries <= endTriesMax; tries++) {
      const [plan, backups] = await Promise.all([findPlan(table, formation, service), ofService(table, of)])
      const backup = backups.find(each => each.id === id)
      if (backup?.state !== 'running' || backup.executor !== executor) return {outcome: 'missing'}
      const isGood = 'good' in result
      const keep = (plan?.ongoing?.id === id ? plan.ongoing.keep : plan?.schedule?.keep) ?? backups.length
      const others = backups.filter(each => each.id !== id)
      const forgotten = superfluous(others, isGood ? keep - 1 : keep).slice(0, forgottenAtOnceMax)
      const refused = await transact(
        table,
        [
          ending(backup, result, now),
          {delete: keys.backupOrder(executor, id)},
          ...(plan?.ongoing?.id === id ? [planWrite(ended(plan, isGood, now), plan)] : []),
          ...forgotten.map(each => forgetting(each, now)),
        ],
        isGood
          ? deedOf('backup.made', of, {...result.good, forgotten: forgotten.map(each => each.id)})
          : deedOf('backup.abort', of, {reason: result.reason}),
      )
      if (refused === undefined) return {outcome: 'ok'}
      await pause(table, tries)
    }
    return {outcome: 'conflict'}
  }

/** Those that were changed meanwhile are left to whoever changed them. */
const forget =
  (table: Table): BackupStore['forget'] =>
  async (backups, now) => {
    await Promise.all(backups.slice(0, forgottenAtOnceMax).map(each => write(table, forgetting(each, now))))
  }

const remove =
  (table: Table): BackupStore['delete'] =>
  async (formation, service, id, now) => {
    const item = await get(table, keys.backup(formation, service, id))
    const [backup] = shown(item)
    if (backup === undefined) return {outcome: 'missing'}
    if (backup.state === 'running') return {outcome: 'running'}
    const {sha256, bytes, createdAt} = backup
    const deed = {...deedOf('backup.delete', backup), from: {sha256, bytes, createdAt}}
    const refused = await transact(table, [forgetting(backup, now)], deed)
    return {outcome: refused === undefined ? 'ok' : 'missing'}
  }

const note =
  (table: Table): BackupStore['note'] =>
  async (formation, service, id, event, now) => {
    const key = keys.backup(formation, service, id)
    const set = event === 'restored' ? {restoredAt: now} : {verified: {at: now, ok: event === 'verified'}}
    const deed = deedOf(`backup.${event}`, {formation, service, id})
    if (!(await writeNoting(table, {update: key, change: {set}, when: all(exists, backupIs('good'))}, deed))) return {outcome: 'missing'}
    const [backup] = shown(await get(table, key))
    return backup === undefined ? {outcome: 'missing'} : {outcome: 'ok', backup}
  }

const due =
  (table: Table): BackupStore['due'] =>
  async (now, limit) => {
    const items = await query(table, indexPartitions.backups, {index: 'gsi1', between: [sortable(0), `${sortable(now)}#~`], limit})
    const of = (type: string): Item[] => items.filter(item => item.type === type)
    return {plans: of('backup-plan').map(planOf), leftovers: of('backup').map(backupOf)}
  }

export const createBackupStore = (table: Table): BackupStore => ({
  list: async formation => {
    const items = await query(table, keys.backup(formation, '', '').pk)
    const backups = items.flatMap(item => (item.type === 'backup' ? shown(item) : []))
    return {backups: backups.sort(newestFirst), plans: items.filter(({type}) => type === 'backup-plan').map(planOf)}
  },
  get: async (formation, service, id) => {
    const item = await get(table, keys.backup(formation, service, id))
    return shown(item)[0]
  },
  plan: (formation, service) => findPlan(table, formation, service),
  due: due(table),

  reschedule: async (formation, service, schedule, now) => {
    const before = await findPlan(table, formation, service)
    const plan = rescheduled({formation, service}, before, schedule, now)
    if (plan !== undefined) await write(table, planWrite(plan, before))
  },

  looked: async plan => ({outcome: (await write(table, planWrite(plan, plan))) === undefined ? 'conflict' : 'ok'}),

  begin: begin(table),

  order: async (executor, id, now) => {
    const item = await get(table, keys.backupOrder(executor, id))
    return item === undefined ? undefined : backupOrdersOf([item], now)[0]
  },

  uploading: async (order, executor, {sha256, bytes}, until) => {
    const change = {set: {sha256, bytes, uploadUntil: until}}
    const when = all(backupRunningOn(executor), dumpIs(sha256, bytes))
    if ((await write(table, {update: keyOf(order), change, when})) !== undefined) return {outcome: 'ok'}
    const item = await get(table, keyOf(order))
    return {outcome: item?.state === 'running' && item.executor === executor ? 'other' : 'missing'}
  },

  end: end(table),
  forget: forget(table),
  delete: remove(table),

  removed: async backup => {
    const key = keyOf(backup)
    if (backup.state === 'forgotten') await write(table, {delete: key, when: any(notExists, backupIs('forgotten'))})
    else await write(table, {update: key, change: {remove: ['gsi1pk', 'gsi1sk']}, when: backupIs(backup.state)})
  },

  postpone: async (backup, at) => {
    await write(table, {update: keyOf(backup), change: {set: lookIn(at, keyOf(backup))}, when: backupIs(backup.state)})
  },

  dropPlan: async ({formation, service, version}) => {
    await write(table, {delete: keys.backupPlan(formation, service), when: planIs(version)})
  },

  note: note(table),
})
