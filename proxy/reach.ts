// Whether a port takes connections, tried with one that carries nothing.
import {connect} from 'node:net'
import {codeOf} from './failures.ts'

/** `refused`: somebody answers there, but takes none. `silent`: nobody answers at all. */
export type Reach = 'taken' | 'refused' | 'silent'

/** What the system says when nobody answers; other errors are an answer, or our own trouble, which says nothing against the other side. */
const silence: ReadonlySet<string> = new Set(['ETIMEDOUT', 'EHOSTUNREACH', 'EHOSTDOWN', 'ENETUNREACH'])

/** Tries once, for `timeoutMs` at most. Never rejects. */
export const reach = (host: string, port: number, timeoutMs: number): Promise<Reach> =>
  new Promise(resolve => {
    const socket = connect({host, port})
    const end = (how: Reach): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(how)
    }
    const timer = setTimeout(() => end('silent'), timeoutMs)
    socket.once('connect', () => end('taken'))
    socket.on('error', error => end(silence.has(codeOf(error)) ? 'silent' : 'refused'))
  })
