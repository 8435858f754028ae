// The memory that reads from instances go to. One piece for the whole process: what arrives is used up, or copied, before the next read.

/** A read takes at most this much. */
export const readBytesMax = 65_536

export interface ReadBuffer {
  readonly bytes: Buffer
}

export const createReadBuffer = (): ReadBuffer => ({bytes: Buffer.allocUnsafeSlow(readBytesMax)})
