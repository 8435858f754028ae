// Hashes and counts what goes to the artifact store while it is written, and stops it at the store's limit.
import {slugBytesMax} from '#shared/api.ts'
import {createMeter as createSharedMeter} from '#shared/meter.ts'
import {CommandError} from '../exit.ts'

/** A stream that passes everything on; more than `bytesMax` bytes fail with the message `tooLarge`. */
export const createMeter = (tooLarge: string, bytesMax = slugBytesMax) =>
  createSharedMeter(bytesMax, () => new CommandError('usage', tooLarge))
