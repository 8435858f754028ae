// Lines waiting to be shipped, bounded. When there are too many, the oldest of whoever has most go, and a line says how many. Does no I/O.
import type {LogLine} from '#shared/domain/assignment.ts'

export const spoolBytesMax = 4 * 1_048_576
/** What a line costs in a request besides its text. */
const lineOverheadBytes = 200

export type LineSource = Pick<LogLine, 'formation' | 'service' | 'id'>

interface Waiting {
  readonly line: LogLine
  readonly bytes: number
}

interface Queue {
  readonly source: LineSource
  lines: Waiting[]
  bytes: number
  dropped: number
}

/** Bytes the line takes in a request, at most. */
const costOf = (line: LogLine): number => Buffer.byteLength(JSON.stringify(line.text)) + lineOverheadBytes

/** A set of lines on its way to the control plane: `shipped` when answered, else `failed`; one at a time. */
export interface Batch {
  readonly lines: readonly LogLine[]
  readonly shipped: () => void
  readonly failed: () => void
}

export class Spool {
  readonly #bytesMax: number
  readonly #now: () => number
  readonly #queues = new Map<string, Queue>()
  #bytes = 0

  /** `now` in milliseconds since the epoch, for the lines about dropped ones. */
  constructor(options: {bytesMax?: number; now: () => number}) {
    this.#bytesMax = options.bytesMax ?? spoolBytesMax
    this.#now = options.now
  }

  get isEmpty(): boolean {
    return this.#queues.size === 0
  }

  /** Takes a line in; drops old ones when there is no room. */
  add(key: string, line: LogLine): void {
    const queue = this.#queueOf(key, line)
    this.#push(queue, {line, bytes: costOf(line)}, false)
    while (this.#bytes > this.#bytesMax) this.#dropOldest()
  }

  /** Lines of an instance that were lost before they could be taken in. */
  addDropped(key: string, source: LineSource, lines: number): void {
    if (lines > 0) this.#queueOf(key, source).dropped += lines
  }

  /** The oldest lines of every instance in turn, within the limits. */
  take(limits: {linesMax: number; bytesMax: number}): Batch {
    const taken: {key: string; source: LineSource; waiting: Waiting[]; dropped: number}[] = []
    let lines = 0
    let bytes = 0
    for (const [key, queue] of [...this.#queues]) {
      const from = {key, source: queue.source, waiting: [] as Waiting[], dropped: queue.dropped}
      if (lines >= limits.linesMax || bytes >= limits.bytesMax) break
      if (queue.dropped > 0) lines += 1
      queue.dropped = 0
      let next = queue.lines[from.waiting.length]
      while (next !== undefined && lines < limits.linesMax && bytes + next.bytes <= limits.bytesMax) {
        from.waiting.push(next)
        lines += 1
        bytes += next.bytes
        next = queue.lines[from.waiting.length]
      }
      this.#remove(key, queue, from.waiting.length)
      taken.push(from)
    }
    return {
      lines: taken.flatMap(({source, waiting, dropped}) => [...this.#dropNotice(source, dropped), ...waiting.map(({line}) => line)]),
      shipped: () => undefined,
      failed: () => {
        for (const from of taken) this.#giveBack(from)
      },
    }
  }

  #queueOf(key: string, {formation, service, id}: LineSource): Queue {
    const queue = this.#queues.get(key) ?? {source: {formation, service, id}, lines: [], bytes: 0, dropped: 0}
    this.#queues.set(key, queue)
    return queue
  }

  #push(queue: Queue, waiting: Waiting, first: boolean): void {
    if (first) queue.lines.unshift(waiting)
    else queue.lines.push(waiting)
    queue.bytes += waiting.bytes
    this.#bytes += waiting.bytes
  }

  // Removes the first lines; an instance whose lines are all taken goes to the end of the turn with its next line.
  #remove(key: string, queue: Queue, count: number): void {
    for (const {bytes} of queue.lines.splice(0, count)) {
      queue.bytes -= bytes
      this.#bytes -= bytes
    }
    this.#queues.delete(key)
    if (queue.lines.length > 0 || queue.dropped > 0) this.#queues.set(key, queue)
  }

  #dropOldest(): void {
    let largest: Queue | undefined
    for (const queue of this.#queues.values()) if (largest === undefined || queue.bytes > largest.bytes) largest = queue
    if (largest === undefined) return
    // A good part at once, so that a full spool does not cost a search per line.
    const count = Math.max(1, largest.lines.length >> 3)
    for (const {bytes} of largest.lines.splice(0, count)) {
      largest.bytes -= bytes
      this.#bytes -= bytes
    }
    largest.dropped += count
  }

  #giveBack(from: {key: string; source: LineSource; waiting: readonly Waiting[]; dropped: number}): void {
    const queue = this.#queueOf(from.key, from.source)
    queue.dropped += from.dropped
    queue.lines = [...from.waiting, ...queue.lines]
    for (const {bytes} of from.waiting) {
      queue.bytes += bytes
      this.#bytes += bytes
    }
    while (this.#bytes > this.#bytesMax) this.#dropOldest()
  }

  #dropNotice(source: LineSource, dropped: number): LogLine[] {
    if (dropped === 0) return []
    const text = `${dropped} older line${dropped === 1 ? ' was' : 's were'} dropped: written faster than they could be shipped`
    return [{...source, at: this.#now(), stream: 'agent', text}]
  }
}
