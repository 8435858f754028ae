// One session at the relay: waits for both sides, passes messages between them, and ends both when one ends or a limit is reached. Sees bytes, no meaning.
import type {WebSocket} from 'ws'
import {closeCodes, joinedText} from '#shared/sessions/peer.ts'
import type {Side} from '#shared/sessions/tickets.ts'
import type {RelayLimits} from './limits.ts'
import type {Share} from './shares.ts'

export interface MeetingOptions {
  /** When it is over at the latest, in milliseconds from now. */
  readonly leftMs: number
  readonly limits: RelayLimits
  /** Closed when the session ends. */
  readonly share: Share
  readonly onEnd: () => void
}

/** A delay that setTimeout takes. */
const delayMsMax = 2 ** 31 - 1

export class Meeting {
  readonly #options: MeetingOptions
  readonly #sides = new Map<Side, WebSocket>()
  readonly #silences = new Map<WebSocket, NodeJS.Timeout>()
  readonly #timers: NodeJS.Timeout[]
  #isOver = false

  constructor(options: MeetingOptions) {
    const {leftMs, limits} = options
    this.#options = options
    this.#timers = [
      setTimeout(() => {
        if (this.#sides.size < 2) this.end(closeCodes.over, 'the other side did not come')
      }, limits.waitMs),
      setTimeout(() => this.end(closeCodes.over, 'the session’s time is over'), Math.min(Math.max(0, leftMs), delayMsMax)),
      setInterval(() => this.#ping(), limits.pingMs),
    ]
  }

  has(side: Side): boolean {
    return this.#sides.has(side)
  }

  /** Takes a side in; when both are there they may begin. */
  admit(side: Side, socket: WebSocket): void {
    this.#sides.set(side, socket)
    this.#heard(socket)
    socket.on('pong', () => this.#heard(socket))
    socket.on('error', () => socket.terminate())
    socket.on('close', () => this.end(closeCodes.gone, `the ${side} is gone`))
    socket.on('message', (data, isBinary) => this.#pass(socket, data as Buffer, isBinary))
    if (this.#sides.size < 2) return
    for (const each of this.#sides.values()) each.send(joinedText)
  }

  #heard(socket: WebSocket): void {
    clearTimeout(this.#silences.get(socket))
    if (this.#isOver) return
    const silent = (): void => {
      // Of one that is not read from nothing can be heard.
      if (socket.isPaused) this.#heard(socket)
      else socket.terminate()
    }
    this.#silences.set(socket, setTimeout(silent, this.#options.limits.silenceMs))
  }

  #otherOf(socket: WebSocket): WebSocket | undefined {
    return [...this.#sides.values()].find(each => each !== socket)
  }

  #pass(from: WebSocket, message: Buffer, isBinary: boolean): void {
    // What comes before the answer to its end is read and forgotten: who is made to wait now would wait for ever.
    if (this.#isOver) return
    const to = this.#otherOf(from)
    if (!isBinary || to === undefined) {
      this.end(closeCodes.fault, isBinary ? 'nobody is there to hear that' : 'sides speak in bytes')
      return
    }
    this.#heard(from)
    const {share} = this.#options
    share.add(message.length)
    to.send(message, () => {
      share.add(-message.length)
      if (from.isPaused && to.bufferedAmount <= share.markBytes() / 2) from.resume()
    })
    if (to.bufferedAmount > share.markBytes()) from.pause()
  }

  #ping(): void {
    for (const socket of this.#sides.values()) if (socket.readyState === socket.OPEN) socket.ping()
  }

  /** Ends both sides; what was passed on still goes out. */
  end(code: number, reason: string): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const timer of [...this.#timers, ...this.#silences.values()]) clearTimeout(timer)
    for (const socket of this.#sides.values()) {
      socket.resume()
      socket.close(code, reason)
    }
    this.#options.share.close()
    this.#options.onEnd()
  }
}
