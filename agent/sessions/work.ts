// Moves bytes between a client and a command: input, output, size and signals one way, output and the end the other. Owns when a command's output is over.
import type {Readable} from 'node:stream'
import {setTimeout as sleep} from 'node:timers/promises'
import {
  type Ended,
  type Frame,
  type Hello,
  payloadBytesMax,
  readSignal,
  readSize,
  sessionProtocol,
  stdinWindowBytes,
  stdinWindowFrames,
} from '#shared/sessions/frames.ts'
import type {Closed, Peer} from '#shared/sessions/peer.ts'
import type {Exit} from '../instance.ts'
import type {Attached} from '../runtime/runtime.ts'

/** Children of a command that has ended may hold its output open; it is over when nothing came for so long. */
const lastWordsMs = 250
/** Of a client, to its command. */
const signalsPerSecondMax = 32

export interface Work extends Attached {
  readonly signal: (signal: NodeJS.Signals) => void
  readonly ended: Promise<Exit>
  /** Gets a copy of what is written; resolves when it has it, and never rejects. */
  readonly copy?: (stream: 'stdout' | 'stderr', bytes: Buffer) => Promise<void>
}

/** Passes input on. What the command does not take is kept here, so that a client that sends on in spite of that is ended. */
const inputTo = ({stdin}: Work, peer: Peer): ((payload: Buffer) => void) => {
  let [bytes, frames] = [0, 0]
  return payload => {
    if (payload.length === 0) return void stdin.end()
    bytes += payload.length
    frames += 1
    // The last frame within the window may reach over its end.
    if (bytes > stdinWindowBytes + payloadBytesMax || frames > stdinWindowFrames) return peer.destroy()
    stdin.write(payload, () => {
      bytes -= payload.length
      frames -= 1
      peer.sendJson('credit', {bytes: payload.length})
    })
  }
}

/** Passes signals on, no more of them than the agent can look up processes for: others are left out. */
const signalsTo = (work: Work): ((payload: Buffer) => void) => {
  let [second, count] = [0, 0]
  return payload => {
    const signal = readSignal(payload)
    const now = Math.floor(performance.now() / 1_000)
    count = now === second ? count + 1 : 1
    second = now
    if (signal !== undefined && count <= signalsPerSecondMax) work.signal(signal)
  }
}

interface Inlets {
  readonly input: (payload: Buffer) => void
  readonly signals: (payload: Buffer) => void
}

const take = (work: Work, {input, signals}: Inlets, {name, payload}: Frame): void => {
  if (name === 'stdin') input(payload)
  else if (name === 'signal') signals(payload)
  else if (name === 'resize') {
    const size = readSize(payload)
    if (size !== undefined) work.resize(size)
  }
}

/** Passes one stream on until it ends, or `isOver` says so after a while without anything. */
const pass = async (work: Work, peer: Peer, name: 'stdout' | 'stderr', stream: Readable): Promise<void> => {
  stream.on('error', () => undefined)
  let isBusy = false
  let movedAt = performance.now()
  const moving = (async () => {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      isBusy = true
      await work.copy?.(name, chunk)
      await peer.pour(name, chunk)
      isBusy = false
      movedAt = performance.now()
    }
  })().catch(() => undefined)
  const lingering = (async () => {
    await work.ended
    movedAt = performance.now()
    while (isBusy || performance.now() - movedAt < lastWordsMs) await sleep(lastWordsMs / 5)
  })()
  await Promise.race([moving, lingering])
  stream.destroy()
}

/** What a code does not say. */
const whyOf = ({code, oom, reason}: Exit): {reason?: string} => {
  if (oom) return {reason: 'it ran out of memory'}
  if (reason !== undefined) return {reason}
  return code === undefined ? {reason: 'nobody saw how it ended'} : {}
}

/** Serves a client until the command has ended and all it wrote is sent, or the client is gone, which is then answered. */
export const serve = async (peer: Peer, work: Work): Promise<'ended' | Closed> => {
  const {isTerminal, note, stdout, stderr} = work
  const hello: Hello = {protocol: sessionProtocol, tty: isTerminal, ...(note !== undefined && {note})}
  peer.sendJson('hello', hello)
  const inlets = {input: inputTo(work, peer), signals: signalsTo(work)}
  peer.listen(frame => take(work, inlets, frame))
  const done = (async (): Promise<'ended'> => {
    await Promise.all([pass(work, peer, 'stdout', stdout), ...(stderr === undefined ? [] : [pass(work, peer, 'stderr', stderr)])])
    const exit = await work.ended
    await refuse(peer, {code: exit.code ?? 255, ...whyOf(exit)})
    return 'ended'
  })()
  const end = await Promise.race([done, peer.closed])
  work.stdin.destroy()
  return end
}

/** Says how it ended, or why it did not begin, and ends the session. */
export const refuse = async (peer: Peer, ended: Ended): Promise<void> => {
  peer.sendJson('exit', ended)
  await peer.close()
}
