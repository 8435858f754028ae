// Asks AWS who signed a proof. Owns what is sent, how long it waits and how much it reads; the host is one of STS’s by construction.
import {GilliamError} from '#shared/errors.ts'
import type {StsRequest} from '#shared/join-proof.ts'

const timeoutMs = 5_000
const answerBytesMax = 65_536

export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** The ARN of who signed; undefined when AWS does not take the signature. Throws unavailable when AWS does not say. */
export type AskSts = (request: StsRequest, authorization: string) => Promise<string | undefined>

const limited = async (body: AsyncIterable<Uint8Array>): Promise<string> => {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > answerBytesMax) throw new Error(`more than ${answerBytesMax} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

/** `{GetCallerIdentityResponse: {GetCallerIdentityResult: {Account, Arn, UserId}}}`: what STS answers to who accepts JSON. */
const arnOf = (text: string): string => {
  let found: unknown = JSON.parse(text)
  for (const name of ['GetCallerIdentityResponse', 'GetCallerIdentityResult', 'Arn']) found = isRecord(found) ? found[name] : undefined
  if (typeof found !== 'string') throw new Error('no identity in its answer')
  return found
}

/** Refused signatures, ended sessions and wrong times are answered with these; 429 and 5xx say nothing of the proof. */
const isRefusal = (status: number): boolean => status >= 400 && status < 500 && status !== 408 && status !== 429

export const createAskSts =
  (fetch: Fetch): AskSts =>
  async ({host, headers, body}, authorization) => {
    const {host: _, ...own} = headers
    const init = {
      method: 'POST',
      headers: {...own, authorization, accept: 'application/json'},
      body,
      redirect: 'error' as const,
      signal: AbortSignal.timeout(timeoutMs),
    }
    try {
      const answer = await fetch(`https://${host}/`, init)
      const text = answer.body === null ? '' : await limited(answer.body)
      if (isRefusal(answer.status)) return undefined
      if (answer.status !== 200) throw new Error(`answered ${answer.status}`)
      return arnOf(text)
    } catch (error) {
      const reason = error instanceof Error && error.cause instanceof Error ? error.cause.message : (error as Error).message
      throw new GilliamError('unavailable', `AWS can not be asked who signed (${host}): ${reason}.`)
    }
  }
