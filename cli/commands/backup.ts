// `gilliam backup create | list | restore | verify | delete`: dumps of a service's data, made and taken by the commands of its type, kept in the artifact
// store. Agents make them; what is restored and checked comes by here.
import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import type {Command} from 'commander'
import type {Client} from '#shared/client.ts'
import {type BackupCommands, backupsKeptDefault, backupsKeptMax} from '#shared/domain/backup.ts'
import {download, type Good} from '../backups/artifact.ts'
import {type Backup, backupTable, planTable} from '../backups/list.ts'
import {giveDump, judged, shell} from '../backups/remote.ts'
import {confirm, type Irrevocable} from '../confirm.ts'
import {CommandError} from '../exit.ts'
import {size, time} from '../render.ts'
import {neutralise} from '../safe.ts'
import type {Session, World} from '../session.ts'
import {joinRun} from '../sessions/join.ts'
import {act, number, verb} from '../verb.ts'

/** An agent hears of it at once, or with its next sync: on AWS within 20 s. */
const waitMs = 45_000
const pollMs = 400

/** The commands that a release has for a service. */
const commandsOf = async (client: Client, formation: string, service: string, release: string): Promise<BackupCommands> => {
  const {services} = await client.call('getRelease', {params: {formation, release}})
  const backup = Object.hasOwn(services, service) ? services[service]?.backup : undefined
  if (backup !== undefined) return backup
  throw new CommandError(
    'usage',
    `Nothing says how ${service} is backed up: it has no type, or its type has no \`backup\` (docs/auxiliaries.md).`,
  )
}

/** The only running instance of a service. */
const runningOf = async (client: Client, formation: string, service: string) => {
  const {items} = await client.call('listInstances', {params: {formation}, query: {service}})
  const running = items.filter(({state, origin}) => state === 'running' && origin !== 'run')
  const [only] = running
  if (only !== undefined && running.length === 1) return only
  throw new CommandError('conflict', `${service} has ${running.length} running instances; a backup is of the data of exactly one.`)
}

const joinExec = async (session: Session, formation: string, instance: string, command: string[]) => {
  const {relay, ticket} = await (await session.client()).call('execInstance', {params: {formation, instance}, body: {command}})
  const {joinRelay} = await import('#shared/sessions/peer.ts')
  return joinRelay({relay, ticket, waitMs, signal: session.interrupted})
}

const withFile = async <T>(task: (file: string) => Promise<T>): Promise<T> => {
  const folder = await mkdtemp(join(tmpdir(), 'gilliam-backup-'))
  try {
    return await task(join(folder, 'dump.gz'))
  } finally {
    await rm(folder, {recursive: true, force: true})
  }
}

/** Until its agent has reported it; Ctrl-C leaves it to go on. */
const made = async (session: Session, client: Client, {formation, service, id}: Backup): Promise<Backup> => {
  for (;;) {
    const backup = await client.call('getBackup', {params: {formation, service, backup: id}})
    if (backup.state !== 'running') return backup
    await session.sleep(pollMs)
  }
}

const create = async (session: Session, service: string, {keep}: {keep?: string}): Promise<void> => {
  const body = keep === undefined ? {} : {keep: number(keep, 'The number of backups to keep', 1, backupsKeptMax)}
  const formation = await session.formation()
  const client = await session.client()
  const begun = await client.call('createBackup', {params: {formation, service}, body})
  session.progress.say(`Backup ${begun.id} of ${service}.${begun.instance} is being made on ${begun.executor}.`)
  const {downloadUrl: _, ...backup} = await made(session, client, begun)
  if (backup.state !== 'good')
    throw new CommandError('failed', `Backup ${backup.id} failed: ${neutralise(backup.reason ?? 'no reason told')}.`)
  session.progress.say(`Backup ${backup.id} of ${service}, ${size(backup.bytes ?? 0)}; \`gilliam backup verify ${service}\` checks it.`)
  session.print(`${backup.id}\n`, backup)
}

const list = async (session: Session, service: string | undefined): Promise<void> => {
  const formation = await session.formation()
  const all = await (await session.client()).call('listBackups', {params: {formation}})
  const isWanted = (each: {readonly service: string}): boolean => service === undefined || each.service === service
  const [items, plans] = [all.items.filter(isWanted), all.plans.filter(isWanted)]
  const next = plans.length === 0 ? '' : `\n${planTable(plans, session.now(), session.paintOut)}`
  session.print(`${backupTable(items, session.paintOut)}${next}`, {items, plans})
}

/** One by its id; the newest good one without. */
const find = async (client: Client, formation: string, service: string, id: string | undefined): Promise<Backup & Good> => {
  const {items} = await client.call('listBackups', {params: {formation}})
  const found = items.find(each => each.service === service && (id === undefined ? each.state === 'good' : each.id === id))
  if (found === undefined)
    throw new CommandError('notFound', `${service} has no backup${id === undefined ? '' : ` “${id}”`}; \`gilliam backup list\` shows them.`)
  const backup = await client.call('getBackup', {params: {formation, service, backup: found.id}})
  const {sha256, bytes, downloadUrl} = backup
  if (sha256 !== undefined && bytes !== undefined && downloadUrl !== undefined) return {...backup, sha256, bytes, downloadUrl}
  throw new CommandError(
    'conflict',
    `Backup ${found.id} is none: ${found.state === 'running' ? 'it is being made' : neutralise(found.reason ?? 'it failed')}.`,
  )
}

const remove = async (session: Session, service: string, id: string): Promise<void> => {
  const formation = await session.formation()
  await (await session.client()).call('deleteBackup', {params: {formation, service, backup: id}})
  session.progress.say(`Backup ${id} of ${service} is deleted.`)
  session.print('', {})
}

const lossOf = (service: string, {id, createdAt}: Backup): Irrevocable => ({
  deed: `Restoring ${service}`,
  loss: `The data of ${service} is replaced by that of backup ${id}, of ${time(createdAt)}; what came since is lost`,
  name: service,
  undone: 'Not restored',
})

const restore = async (session: Session, service: string, id: string | undefined, yes: boolean): Promise<void> => {
  const formation = await session.formation()
  const client = await session.client()
  const backup = await find(client, formation, service, id)
  const {id: instance, release} = await runningOf(client, formation, service)
  const commands = await commandsOf(client, formation, service, String(release))
  if (!yes) await confirm(session, lossOf(service, backup))
  await withFile(async file => {
    await download(backup, file, session.interrupted)
    await giveDump(session, await joinExec(session, formation, instance, shell(commands.restore)), file, 'Restoring')
  })
  const noted = await client.call('noteBackup', {params: {formation, service, backup: backup.id}, body: {event: 'restored'}})
  session.progress.say(`${service}.${instance} has the data of backup ${backup.id}, of ${time(backup.createdAt)}.`)
  session.print('', noted)
}

const verify = async (session: Session, service: string, id: string | undefined): Promise<void> => {
  const formation = await session.formation()
  const client = await session.client()
  const backup = await find(client, formation, service, id)
  const commands = await commandsOf(client, formation, service, String(backup.release))
  const params = {formation, service, backup: backup.id}
  const wrote = await withFile(async file => {
    await download(backup, file, session.interrupted)
    const body = {service, release: backup.release, command: shell(commands.verify)}
    const {instance, session: line} = await client.call('runService', {params: {formation}, body})
    if (line === undefined) throw new CommandError('failed', `${instance.name} runs without a line to it.`)
    const peer = await joinRun(session, instance, line)
    return giveDump(session, peer, file, `Checking backup ${backup.id}`)
  }).catch(async error => {
    // That nobody could look says nothing of the backup.
    if (error instanceof CommandError && error.exit === 'failed' && error.cause === judged)
      await client.call('noteBackup', {params, body: {event: 'failed'}})
    throw error
  })
  const noted = await client.call('noteBackup', {params, body: {event: 'verified'}})
  session.progress.say(`Backup ${backup.id} of ${service} is good${wrote === '' ? '' : `: ${wrote}`}.`)
  session.print('', noted)
}

export const addBackup = (program: Command, world: World): void => {
  const group = program.command('backup').description('Back the data of a service up, restore it, and check backups')
  verb(group, 'create', 'Make a backup of a service')
    .argument('<service>', 'an auxiliary whose type says how')
    .option('--keep <n>', `good backups of the service to keep; as its schedule says, or ${backupsKeptDefault}, by default`)
    .action(act<{keep?: string}>(world, (session, [service = ''], options) => create(session, service, options)))
  verb(group, 'list', 'List backups, newest first, and when the next ones are due')
    .argument('[service]', 'only of this one')
    .action(act(world, (session, [service]) => list(session, service)))
  verb(group, 'restore', 'Replace the data of a running service by that of a backup')
    .argument('<service>', 'the service')
    .argument('[backup]', 'as `gilliam backup list` shows it; the newest by default')
    .option('--yes', 'do not ask')
    .action(act<{yes?: boolean}>(world, (session, [service = '', id], {yes}) => restore(session, service, id, yes === true)))
  verb(group, 'verify', 'Restore a backup into a scratch instance, and check it')
    .argument('<service>', 'the service')
    .argument('[backup]', 'as `gilliam backup list` shows it; the newest by default')
    .action(act(world, (session, [service = '', id]) => verify(session, service, id)))
  verb(group, 'delete', 'Delete a backup')
    .argument('<service>', 'the service')
    .argument('<backup>', 'as `gilliam backup list` shows it')
    .action(act(world, (session, [service = '', id = '']) => remove(session, service, id)))
}
