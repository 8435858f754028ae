// All that functions do about backups: made by schedule and by hand, good and failed, read, noted, deleted, and forgotten with their formation.
import assert from 'node:assert/strict'
import {orphansKeptMs} from '#shared/domain/backup-plan.ts'
import type {EndpointName} from '#shared/endpoints.ts'
import {signedUrlMs} from '#shared/ports.ts'
import type {memoryDumps} from '#test/lambdas/dumps.ts'
import type {EventOptions} from '#test/lambdas/event.ts'
import {descriptor, serviceDefinition} from '#test/store/samples.ts'

const sha256 = 'a'.repeat(64)

interface Given {
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever came back
  readonly call: (name: EndpointName, options?: EventOptions) => Promise<any>
  readonly rounds: (executor: string, token: string) => Promise<void>
  readonly tick: () => Promise<void>
  readonly clock: {now: number}
  readonly dumps: ReturnType<typeof memoryDumps>
}

export const tryBackups = async ({call, rounds, tick, clock, dumps}: Given): Promise<void> => {
  const {token: joinToken} = await call('createToken', {body: {name: 'dumps', scope: 'join', uses: 1}})
  const {token} = await call('joinExecutor', {token: joinToken, body: descriptor('e7')})
  // Its first backup is due within seconds.
  const name = {formation: 'guarded'}
  await call('createFormation', {body: {name: 'guarded'}})
  const backup = {dump: 'a', restore: 'b', verify: 'c'}
  const definition = {backup, backupSchedule: {everyMs: 900_000, keep: 1}, requirements: ['executor.id == "e7"']}
  await call('createRelease', {params: name, body: {services: {_db: serviceDefinition(definition)}}})
  await call('setScale', {params: name, body: {services: {_db: 1}}})
  await rounds('e7', token)
  const dump = {sha256, bytes: 10}
  const report = async (isGood: boolean) => {
    const {backups} = await call('syncExecutor', {token, params: {executor: 'e7'}, body: {assignmentVersion: 0, reports: [], logs: []}})
    const params = {executor: 'e7', backup: backups[0].id}
    await call('uploadBackup', {token, params, body: dump})
    dumps.sizes.set(`guarded/_db/${params.backup}`, dump.bytes)
    await call('reportBackup', {token, params, body: isGood ? dump : {reason: 'test'}})
    return params.backup as string
  }
  await report(true)
  for (const isGood of [true, false]) {
    await call('createBackup', {params: {...name, service: '_db'}, body: {}})
    const params = {...name, service: '_db', backup: await report(isGood)}
    await call('getBackup', {params})
    if (isGood) await call('noteBackup', {params, body: {event: 'verified'}})
    else await call('deleteBackup', {params})
  }
  assert.equal((await call('listBackups', {params: name})).items.length, 1)
  await call('destroyFormation', {params: name})
  await rounds('e7', token)
  for (const laterMs of [signedUrlMs, orphansKeptMs, 86_400_000, 0]) {
    clock.now += laterMs
    await tick()
  }
}
