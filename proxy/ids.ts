// Random ids of requests and traces, made of bytes that are drawn many at a time. Owns that supply.
import {randomBytes} from 'node:crypto'

/** Drawn at once. */
const batchBytes = 8_192

export class Ids {
  #digits = ''
  #at = 0

  /** `bytes` random bytes as lower-case hexadecimal digits, not all of them zero. */
  next(bytes: number): string {
    const size = bytes * 2
    if (this.#at + size > this.#digits.length) {
      this.#digits = randomBytes(batchBytes).toString('hex')
      this.#at = 0
    }
    const id = this.#digits.slice(this.#at, this.#at + size)
    this.#at += size
    return isZero(id) ? this.next(bytes) : id
  }
}

/** Whether an id has no digit but 0: such an id means none (W3C Trace Context §3.2.2.3). */
export const isZero = (id: string): boolean => {
  for (let i = 0; i < id.length; i++) if (id.charCodeAt(i) !== 48) return false
  return true
}
