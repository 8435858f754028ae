// Hashes and counts what goes to the artifact store while it is written, and stops it at the store's limit.
import {createHash} from 'node:crypto'
import {Transform} from 'node:stream'
import {slugBytesMax} from '#shared/api.ts'
import {CommandError} from '../exit.ts'

/** A stream that passes everything on; more than `bytesMax` bytes fail with the message `tooLarge`. */
export const createMeter = (tooLarge: string, bytesMax = slugBytesMax) => {
  const hash = createHash('sha256')
  let bytes = 0
  const stream = new Transform({
    transform(chunk: Buffer, _, done) {
      hash.update(chunk)
      bytes += chunk.length
      done(bytes > bytesMax ? new CommandError('usage', tooLarge) : null, chunk)
    },
  })
  return {stream, result: () => ({sha256: hash.digest('hex'), bytes})}
}
