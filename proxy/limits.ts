// Every limit of the data plane, by name and unit. Tests pass smaller ones.

export interface Limits {
  /** To an open TCP connection with an instance or a host outside. */
  readonly connectTimeoutMs: number
  /** From the whole request sent to the first byte of the answer. */
  readonly firstByteTimeoutMs: number
  /** Between two pieces of an answer or of a request's body. */
  readonly idleTimeoutMs: number
  /** Without a byte either way in a WebSocket or CONNECT tunnel. */
  readonly tunnelIdleTimeoutMs: number
  /** For a client to send a request's head. */
  readonly headTimeoutMs: number
  /** An idle client connection is kept this long; longer than the 60 s of common load balancers, so that they close first. */
  readonly keepAliveMs: number
  /**
   * An idle connection to an instance is kept this long, whatever the instance promises; well below what servers keep theirs (gunicorn 2 s, node and uvicorn
   * 5 s), so that none is about to be closed when a request goes out on it.
   */
  readonly upstreamKeepAliveMs: number
  /** A request for whose answer nothing comes for this long makes us see whether the instance's host is there. */
  readonly quietMsMax: number
  /** For a host to answer when we do. */
  readonly probeTimeoutMs: number
  /** A request's or answer's head. */
  readonly headBytesMax: number
  /** A request's target. */
  readonly targetBytesMax: number
  /** Header lines of a request or answer. */
  readonly fieldsMax: number
  /** Open client connections; more wait in the kernel or are reset. */
  readonly connectionsMax: number
  /** Open connections to one instance; more requests wait in line. */
  readonly connectionsPerInstanceMax: number
  /** From SIGTERM until what is still in flight is cut off. */
  readonly drainTimeoutMs: number
  /** From SIGTERM until idle connections are ended and no new ones taken in: who sends a request meanwhile is told with the answer. */
  readonly drainIdleMs: number
}

export const limitsDefault: Limits = {
  connectTimeoutMs: 3_000,
  firstByteTimeoutMs: 60_000,
  idleTimeoutMs: 300_000,
  tunnelIdleTimeoutMs: 3_600_000,
  headTimeoutMs: 15_000,
  keepAliveMs: 75_000,
  upstreamKeepAliveMs: 900,
  quietMsMax: 3_000,
  probeTimeoutMs: 1_500,
  headBytesMax: 16_384,
  targetBytesMax: 8_192,
  fieldsMax: 128,
  connectionsMax: 16_384,
  connectionsPerInstanceMax: 1_024,
  drainTimeoutMs: 8_000,
  drainIdleMs: 250,
}

/** The shortest of the timeouts that connections wait for. */
export const shortestMs = (limits: Limits): number =>
  Math.min(
    limits.connectTimeoutMs,
    limits.firstByteTimeoutMs,
    limits.idleTimeoutMs,
    limits.tunnelIdleTimeoutMs,
    limits.headTimeoutMs,
    limits.keepAliveMs,
  )
