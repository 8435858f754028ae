// The memory that reads from instances go to. One piece for the whole process, used up or copied before the next read; a connection that streams a large body
// reads into a piece of its own, which is written out without a copy.

/** A read into the shared piece takes at most this much. */
const sharedBytes = 65_536
/** A read of a stream: more would not arrive at once, less means more reads. */
const streamBytes = 262_144
/** A read this large is taken for part of a stream. */
export const streamReadBytesMin = 32_768

export interface ReadBuffer {
  readonly shared: Buffer
  readonly forStream: () => Buffer
}

export const createReadBuffer = (): ReadBuffer => ({
  shared: Buffer.allocUnsafeSlow(sharedBytes),
  forStream: () => Buffer.allocUnsafeSlow(streamBytes),
})
