// Proofs by way of another process: an agent that is kept from its machine's metadata, with all that it runs, asks on a unix socket; a program that is
// started for the connection (systemd's Accept=yes) signs, answers and ends. It signs for one stage, executor and key, none of which the caller chooses.
import {readFile} from 'node:fs/promises'
import {connect} from 'node:net'
import type {JoinProof, ProofSubject} from '#shared/join-proof.ts'
import {isAgentKey} from './connection.ts'
import {proveRole} from './proof.ts'

/** Longer than starting a program and four answers of the metadata service take. */
const timeoutMs = 15_000
const answerCharactersMax = 16_384

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

const proofOf = (text: string): JoinProof => {
  if (text === '') throw new Error('it said nothing')
  const answer: unknown = JSON.parse(text)
  const {error, region, date, securityToken, authorization} = isRecord(answer) ? answer : {}
  if (typeof error === 'string') throw new Error(error)
  if (typeof region !== 'string' || typeof date !== 'string' || typeof securityToken !== 'string' || typeof authorization !== 'string')
    throw new Error('it answered no proof')
  return {region, date, securityToken, authorization}
}

const answerOf = (path: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(path)
    let text = ''
    const end = (error: Error) => socket.destroy(error)
    // Destroying a socket with an error is what reports it.
    socket.setEncoding('utf8').setTimeout(timeoutMs, () => end(new Error(`no answer within ${timeoutMs / 1_000} s`)))
    socket.on('data', (more: string) => {
      text += more
      if (text.length > answerCharactersMax) end(new Error('its answer is no proof'))
    })
    socket.once('end', () => resolve(text.trim()))
    socket.once('error', reject)
  })

/** A proof from whoever answers on the socket. Rejects with the reason it gives. */
export const askProver = async (path: string): Promise<JoinProof> => {
  try {
    return proofOf(await answerOf(path))
  } catch (error) {
    throw new Error(`no proof of the machine's role from GILLIAM_PROVER (${path}): ${(error as Error).message}`, {cause: error})
  }
}

export interface AnswerOptions {
  readonly subject: Omit<ProofSubject, 'key'>
  /** The agent's own secret: it is there before the agent asks. */
  readonly keyFile: string
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly metadata?: string
}

/** What goes to who asked: one line of JSON, a proof or the reason why there is none. */
export const answerProof = async ({subject, keyFile, now, metadata}: AnswerOptions): Promise<string> => {
  try {
    const key = await readFile(keyFile, 'utf8')
    if (!isAgentKey(key)) throw new Error(`${keyFile} holds no key of an agent`)
    const proof = await proveRole({subject: {...subject, key}, now, ...(metadata !== undefined && {metadata})})
    return `${JSON.stringify(proof)}\n`
  } catch (error) {
    return `${JSON.stringify({error: (error as Error).message})}\n`
  }
}
