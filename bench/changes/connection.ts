// One connection of the load: sends one request at a time and says exactly how it ended. Tries nothing twice, so that what clients see is what is counted.
import {connect, type Socket} from 'node:net'
import {type Answer, readAnswer} from './answer.ts'

export interface Sent {
  readonly head: string
  /** In pieces, with a moment between them. */
  readonly body: readonly Buffer[]
}

export type Ended = {readonly answer: Answer} | {readonly cause: string}

const answerTimeoutMs = 10_000
/** Between two pieces of a request's body. */
const pieceMs = 5

const codeOf = (error: Error | undefined): string => {
  const code = error === undefined ? undefined : (error as NodeJS.ErrnoException).code
  return code === undefined ? '' : `, ${code}`
}

export class Connection {
  served = 0
  readonly #socket: Socket
  readonly #onClosed: () => void
  #isOpen = false
  #received: Buffer | undefined
  #done: ((ended: Ended) => void) | undefined
  #timer: NodeJS.Timeout | undefined
  #error: Error | undefined

  /** `onClosed` is told when it can not be used any more. */
  constructor(port: number, onClosed: () => void) {
    this.#onClosed = onClosed
    this.#socket = connect({host: '127.0.0.1', port, noDelay: true})
    this.#socket.once('connect', () => {
      this.#isOpen = true
    })
    this.#socket.on('data', bytes => this.#onData(bytes as Buffer))
    this.#socket.on('error', error => {
      this.#error = error
    })
    this.#socket.once('end', onClosed)
    this.#socket.once('close', () => this.#onClose())
  }

  /** Sends a request, at once or when the connection is open. `done` is called once. */
  ask({head, body}: Sent, done: (ended: Ended) => void): void {
    this.#done = done
    this.#timer = setTimeout(() => this.#end({cause: `no whole answer within ${answerTimeoutMs / 1_000} s`}), answerTimeoutMs)
    const [first, ...rest] = body
    this.#socket.write(first === undefined ? head : Buffer.concat([Buffer.from(head, 'latin1'), first]))
    this.#writeSoon(rest)
  }

  #writeSoon([next, ...rest]: readonly Buffer[]): void {
    if (next === undefined) return
    setTimeout(() => {
      if (!this.#socket.writable) return
      this.#socket.write(next)
      this.#writeSoon(rest)
    }, pieceMs)
  }

  close(): void {
    this.#socket.destroy()
  }

  #onData(bytes: Buffer): void {
    if (this.#done === undefined) {
      this.#socket.destroy()
      return
    }
    this.#received = this.#received === undefined ? bytes : Buffer.concat([this.#received, bytes])
    try {
      const answer = readAnswer(this.#received)
      if (answer !== undefined) this.#end({answer})
    } catch (error) {
      this.#end({cause: `unreadable answer: ${(error as Error).message}`})
    }
  }

  #onClose(): void {
    this.#onClosed()
    if (this.#done === undefined) return
    const code = codeOf(this.#error)
    if (!this.#isOpen) this.#end({cause: `not connected${code}`})
    else if (this.#received !== undefined) this.#end({cause: `closed within the answer${code}`})
    else this.#end({cause: `closed before the answer${code}`})
  }

  #end(ended: Ended): void {
    const done = this.#done
    this.#done = undefined
    this.#received = undefined
    clearTimeout(this.#timer)
    this.served += 1
    if (!('answer' in ended) || ended.answer.closes) this.#socket.destroy()
    done?.(ended)
  }

  /** Whether another request may be sent. */
  get isUsable(): boolean {
    return this.#isOpen && this.#done === undefined && this.#socket.writable && this.#socket.readable
  }
}
