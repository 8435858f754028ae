// Raw bytes both ways between two connections that have done with HTTP: WebSockets and CONNECT. Owns how the end of one becomes the end of the other.

/** Where a connection's raw bytes go. */
export interface TunnelSink {
  /** `owned`: the bytes may be kept, true says that they are; else they must be used up before the call returns. */
  readonly data: (bytes: Buffer, start: number, end: number, owned: boolean) => boolean
  /** The other side will send no more. */
  readonly end: () => void
  readonly closed: () => void
  /** What was written has gone out. */
  readonly drained: () => void
}

/** One side of a tunnel. */
export interface TunnelEnd {
  /** From now on everything that arrives goes to `sink`. */
  readonly enterTunnel: (sink: TunnelSink) => void
  /** Writes; true when to wait for `drained`. */
  readonly send: (bytes: Buffer, start: number, end: number, owned: boolean) => boolean
  /** Whether something that was given to `send` has not gone out. */
  readonly isSending: boolean
  /** Half-closes, when everything written has gone out. */
  readonly finish: () => void
  readonly pause: () => void
  readonly resume: () => void
  /** `gently`: when everything written has gone out. */
  readonly destroy: (gently: boolean) => void
  /** Destroys it when nothing is heard of for so long. */
  readonly expectWithin: (ms: number) => void
}

/**
 * Joins two connections until both are closed; resolves then. A side that ends is half-closed at the other; one that breaks breaks the other. Without a
 * byte either way for `idleTimeoutMs` both are cut off.
 */
export const joinTunnel = (a: TunnelEnd, b: TunnelEnd, idleTimeoutMs: number): Promise<void> =>
  new Promise(resolve => {
    let open = 2
    const alive = (): void => {
      a.expectWithin(idleTimeoutMs)
      b.expectWithin(idleTimeoutMs)
    }
    const ended = new Set<TunnelEnd>()
    const sinkOf = (from: TunnelEnd, to: TunnelEnd): TunnelSink => ({
      data: (bytes, start, end, owned) => {
        alive()
        if (to.send(bytes, start, end, owned)) from.pause()
        return owned && to.isSending
      },
      end: () => {
        ended.add(from)
        to.finish()
      },
      closed: () => {
        open -= 1
        if (open === 0) resolve()
        else to.destroy(ended.has(from))
      },
      drained: () => {
        alive()
        to.resume()
      },
    })
    alive()
    a.enterTunnel(sinkOf(a, b))
    b.enterTunnel(sinkOf(b, a))
  })
