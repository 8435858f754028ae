// The client's side of a session: the user's terminal at one end, a command elsewhere at the other. Owns input credit, raw mode and what signals become.
import type {Terminal} from '#shared/domain/session.ts'
import {type Ended, type Frame, readJson, sessionProtocol, stdinWindowBytes} from '#shared/sessions/frames.ts'
import type {Peer} from '#shared/sessions/peer.ts'
import {CommandError} from '../exit.ts'
import {neutralise} from '../safe.ts'
import type {Session} from '../session.ts'

/** So many signals in a row end the client, whatever the command makes of them. */
const signalsMax = 3
/** Output on its way to the terminal before the far end is made to wait, in bytes. */
const outputWindowBytes = 262_144

/** Writes output in order; while much of it waits, nothing more is taken in. */
const createOutput = ({console}: Session, peer: Peer) => {
  let waitingBytes = 0
  let last: Promise<void> = Promise.resolve()
  const write = (to: 'stdout' | 'stderr', bytes: Buffer): void => {
    waitingBytes += bytes.length
    if (waitingBytes > outputWindowBytes) peer.pause()
    last = last
      .then(() => console.write(to, bytes))
      .then(() => {
        waitingBytes -= bytes.length
        if (waitingBytes <= outputWindowBytes / 2) peer.resume()
      })
  }
  return {write, written: () => last}
}

/** Sends input as the far end takes it. */
const createInput = ({console}: Session, peer: Peer) => {
  const {input} = console
  let credit = stdinWindowBytes
  const onData = (bytes: Buffer): void => {
    credit -= bytes.length
    if (credit <= 0) input.pause()
    void peer.pour('stdin', bytes)
  }
  const onEnd = (): void => peer.send('stdin')
  return {
    begin: () => {
      input.on('data', onData).on('end', onEnd).on('error', onEnd)
    },
    more: (bytes: number) => {
      credit += bytes
      if (credit > 0) input.resume()
    },
    end: () => {
      input.off('data', onData).off('end', onEnd).off('error', onEnd)
      input.destroy()
    },
  }
}

const endedOf = (payload: Buffer): Ended => {
  const {code, reason} = readJson(payload)
  return {code: typeof code === 'number' ? code : 255, ...(typeof reason === 'string' && {reason})}
}

/** Ties this terminal to a command until that has ended. `terminal`: it was asked for one. Throws CommandError when the session breaks off. */
export const attach = async (session: Session, peer: Peer, terminal: Terminal | undefined): Promise<Ended> => {
  const {console} = session
  const output = createOutput(session, peer)
  const input = createInput(session, peer)
  const undo: (() => void)[] = [input.end]
  const begin = ({payload}: Frame): void => {
    const {tty, note, protocol} = readJson(payload)
    if (protocol !== sessionProtocol)
      session.err(`gilliam: the agent speaks protocol ${neutralise(String(protocol))}, this CLI ${sessionProtocol}\n`)
    if (typeof note === 'string') session.err(`gilliam: ${neutralise(note)}\n`)
    if (terminal !== undefined && tty === true) {
      console.setRaw(true)
      const resized = (): void => peer.sendJson('resize', console.size() ?? terminal)
      undo.push(console.onResize(resized), () => console.setRaw(false))
      resized()
    }
    input.begin()
  }
  let signals = 0
  undo.push(
    console.catchSignals(signal => {
      signals += 1
      if (signals >= signalsMax) peer.destroy()
      else peer.sendJson('signal', {signal})
    }),
  )
  try {
    peer.sendJson('hello', {protocol: sessionProtocol})
    return await new Promise<Ended>((resolve, reject) => {
      peer.listen(frame => {
        if (frame.name === 'stdout' || frame.name === 'stderr') output.write(frame.name, frame.payload)
        else if (frame.name === 'credit') input.more(Number(readJson(frame.payload).bytes) || 0)
        else if (frame.name === 'hello') begin(frame)
        else if (frame.name === 'exit') output.written().then(() => resolve(endedOf(frame.payload)), reject)
      })
      // What came before the end is still being written.
      void peer.closed.then(({reason}) =>
        output.written().then(() => reject(new CommandError('brokenOff', `The session broke off: ${neutralise(reason)}.`)), reject),
      )
    })
  } finally {
    for (const each of undo) each()
    peer.destroy()
  }
}
