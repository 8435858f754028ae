// Takes the engine's streams apart: frames of output (Docker Engine API, “Stream format” of ContainerAttach) and JSON lines. Pure but for reading what it is given.

/** What one frame holds: a line, or a piece of a long one, of a stream, with the time the engine took it in. */
export interface Frame {
  readonly stream: 'stdout' | 'stderr'
  /** RFC 3339 with nine digits, as text: they sort, and lose nothing. */
  readonly at: string
  readonly content: Buffer
}

const headerBytes = 8
/** `2006-01-02T15:04:05.000000000Z` and a space. */
const stampBytes = 31
const stderrKind = 2
/** The engine cuts lines at 16 KiB. */
const frameBytesMax = 1_048_576

/** Reassembles frames of any size from chunks of any size. */
export class Frames {
  #rest: Buffer = Buffer.alloc(0)

  /** The frames that are complete with this chunk. Throws when the stream is not one of frames with time stamps. */
  add(chunk: Buffer): Frame[] {
    const data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const frames: Frame[] = []
    let at = 0
    while (data.length - at >= headerBytes) {
      const length = data.readUInt32BE(at + 4)
      if (length > frameBytesMax || length < stampBytes) throw new Error(`a frame of ${length} bytes is not a line of output`)
      if (data.length - at - headerBytes < length) break
      const body = data.subarray(at + headerBytes, at + headerBytes + length)
      const stamp = body.toString('latin1', 0, stampBytes - 1)
      frames.push({stream: data[at] === stderrKind ? 'stderr' : 'stdout', at: stamp, content: body.subarray(stampBytes)})
      at += headerBytes + length
    }
    this.#rest = data.subarray(at)
    return frames
  }
}

/** Some bytes of a stream, as they came. */
export interface Piece {
  readonly stream: 'stdout' | 'stderr'
  readonly bytes: Buffer
}

/** Takes the two streams of a command without a terminal apart, frames of any size from chunks of any size, holding back nothing but headers. */
export class Pieces {
  #header: Buffer = Buffer.alloc(0)
  #left = 0

  add(chunk: Buffer): Piece[] {
    const pieces: Piece[] = []
    for (let at = 0; at < chunk.length; ) {
      if (this.#left === 0) {
        const more = chunk.subarray(at, at + headerBytes - this.#header.length)
        this.#header = Buffer.concat([this.#header, more])
        at += more.length
        if (this.#header.length < headerBytes) break
        this.#left = this.#header.readUInt32BE(4)
      }
      const bytes = chunk.subarray(at, at + this.#left)
      if (bytes.length > 0) pieces.push({stream: this.#header[0] === stderrKind ? 'stderr' : 'stdout', bytes})
      at += bytes.length
      this.#left -= bytes.length
      if (this.#left === 0) this.#header = Buffer.alloc(0)
    }
    return pieces
  }
}

const lineBytesMax = 1_048_576

/** The values of a stream of JSON lines. */
export async function* jsonLines(stream: AsyncIterable<Buffer>): AsyncGenerator<unknown> {
  let rest = ''
  for await (const chunk of stream) {
    const lines = `${rest}${chunk.toString('utf8')}`.split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > lineBytesMax) throw new Error(`a line of JSON is longer than ${lineBytesMax} characters`)
    for (const line of lines) if (line.trim() !== '') yield JSON.parse(line)
  }
  if (rest.trim() !== '') yield JSON.parse(rest)
}
