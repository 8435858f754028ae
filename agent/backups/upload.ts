// Brings a dump to the artifact store: the address is asked for anew with each try, for addresses end. Knows nothing of who made the dump.
import {createReadStream} from 'node:fs'
import type {Dump} from '#shared/domain/backup.ts'
import {transfer} from '#shared/exchange.ts'
import type {Upload} from '#shared/ports.ts'

const triesMax = 3
/** No byte taken, or no answer, for this long. */
const idleMs = 60_000

const put = async ({url, headers}: Upload, file: string, {bytes}: Dump, signal: AbortSignal): Promise<string | undefined> => {
  const answer = await transfer(url, {
    method: 'PUT',
    headers: {'content-type': 'application/gzip', ...headers, 'content-length': String(bytes)},
    body: createReadStream(file),
    idleMs,
    signal,
  })
  answer.destroy()
  const status = answer.statusCode ?? 0
  return status < 300 ? undefined : `the artifact store answered ${status}`
}

/** Rejects when `locate` does, when `signal` is aborted, and after three tries. */
export const uploadDump = async (
  locate: (signal: AbortSignal) => Promise<Upload>,
  file: string,
  dump: Dump,
  signal: AbortSignal,
): Promise<void> => {
  let failure: string | undefined
  for (let tries = 0; tries < triesMax; tries++) {
    const place = await locate(signal)
    failure = await put(place, file, dump, signal).catch((error: Error) => error.message)
    signal.throwIfAborted()
    if (failure === undefined) return
  }
  throw new Error(`the upload failed: ${failure}`)
}
