// A dump from the artifact store, as a file that is what it says.
import {createWriteStream} from 'node:fs'
import {pipeline} from 'node:stream/promises'
import type {Dump} from '#shared/domain/backup.ts'
import {transfer} from '#shared/exchange.ts'
import {CommandError} from '../exit.ts'
import {createMeter} from '../pack/meter.ts'

/** A backup that can be had. */
export type Good = Dump & {readonly downloadUrl: string}

/** No byte for this long. */
const idleMs = 60_000

/** Throws when the store has not that very content. */
export const download = async ({sha256, bytes, downloadUrl}: Good, file: string, signal: AbortSignal): Promise<void> => {
  const answer = await transfer(downloadUrl, {method: 'GET', idleMs, signal})
  if (answer.statusCode !== 200) {
    answer.destroy()
    throw new CommandError('failed', `The artifact store answered ${answer.statusCode} for the dump.`)
  }
  const meter = createMeter('The artifact store sends more than the backup has.', bytes)
  await pipeline(answer, meter.stream, createWriteStream(file, {mode: 0o600}), {signal})
  const got = meter.result()
  if (got.sha256 !== sha256) throw new CommandError('failed', `The dump is not what it was: its sha256 is ${got.sha256}, not ${sha256}.`)
}
