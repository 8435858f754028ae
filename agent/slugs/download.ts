// Downloads an artifact and checks that it is the one that was asked for.
import {createWriteStream} from 'node:fs'
import {pipeline} from 'node:stream/promises'
import type {SlugReference} from '#shared/domain/release.ts'
import {transfer} from '#shared/exchange.ts'
import {createMeter} from '#shared/meter.ts'

const downloadIdleMs = 30_000

/** Asks the control plane where a slug can be fetched. */
export type Locate = (sha256: string, signal: AbortSignal) => Promise<string>

/** Other bytes than were asked for; asking again brings the same. */
export class WrongContent extends Error {}

/** Writes an artifact to `file`. Rejects when it has other bytes than it should, or more of them. */
export const download = async (url: string, {sha256, bytes}: SlugReference, file: string, signal: AbortSignal): Promise<void> => {
  const answer = await transfer(url, {method: 'GET', idleMs: downloadIdleMs, signal})
  if (answer.statusCode !== 200) {
    answer.destroy()
    throw new Error(`the download answered ${answer.statusCode}`)
  }
  const meter = createMeter(bytes, () => new WrongContent(`more than the ${bytes} bytes it should have`))
  await pipeline(answer, meter.stream, createWriteStream(file, {mode: 0o600}), {signal})
  const got = meter.result().sha256
  if (got !== sha256) throw new WrongContent(`its content is not what it should be (SHA-256 ${got})`)
}
