// The memory that reads from instances go to. One piece for the whole process, used up or copied before the next read; a connection that streams a large body
// reads into a piece of its own, which is written out without a copy.

/** A read into the shared piece takes at most this much. */
const sharedBytes = 65_536
/** A read of a stream: more would not arrive at once, less means more reads. */
const streamBytes = 262_144
/** A read this large is taken for part of a stream. */
export const streamReadBytesMin = 32_768

/** Pieces kept for the next stream: new memory costs more than reading into it. */
const sparesMax = 16

export interface ReadBuffer {
  readonly shared: Buffer
  readonly forStream: () => Buffer
  /** Gives back a piece that nobody reads or writes any more. */
  readonly giveBack: (piece: Buffer) => void
}

export const createReadBuffer = (): ReadBuffer => {
  const spares: Buffer[] = []
  return {
    shared: Buffer.allocUnsafeSlow(sharedBytes),
    forStream: () => spares.pop() ?? Buffer.allocUnsafeSlow(streamBytes),
    giveBack: piece => {
      if (spares.length < sparesMax) spares.push(piece)
    },
  }
}
