// Hashes and counts what passes, and stops it at a limit. Knows neither where it is from nor where it goes.
import {createHash} from 'node:crypto'
import {Transform} from 'node:stream'

/** What a meter has seen: SHA-256 in hexadecimal digits. */
export interface Measured {
  readonly sha256: string
  readonly bytes: number
}

/** A stream that passes everything on; more than `bytesMax` bytes fail with what `tooLarge` makes. Ask for the result once, at the end. */
export const createMeter = (bytesMax: number, tooLarge: () => Error): {readonly stream: Transform; readonly result: () => Measured} => {
  const hash = createHash('sha256')
  let bytes = 0
  const stream = new Transform({
    transform(chunk: Buffer, _, done) {
      hash.update(chunk)
      bytes += chunk.length
      if (bytes > bytesMax) done(tooLarge())
      else done(null, chunk)
    },
  })
  return {stream, result: () => ({sha256: hash.digest('hex'), bytes})}
}
