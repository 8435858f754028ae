// Fetches a JSON object of an issuer: at exactly the URL, from an address it may have, within a time and a size. Knows nothing of what is in it.
import {request as httpRequest, type IncomingMessage} from 'node:http'
import {request as httpsRequest} from 'node:https'
import {type Lookup, lookupWithin, type Reach} from './reach.ts'

const documentBytesMax = 262_144
/** From the first packet to the last byte. */
export const fetchTimeoutMs = 5_000

export interface FetchOptions {
  readonly reach: Reach
  /** Certificates of authorities, in place of those that Node comes with. */
  readonly ca?: string
  /** Node’s own by default. */
  readonly lookup?: Lookup
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

const read = async (answer: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > documentBytesMax) throw new Error(`more than ${documentBytesMax} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

const open = (url: URL, {reach, ca, lookup}: FetchOptions, signal: AbortSignal): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const options = {
      agent: false as const,
      headers: {accept: 'application/json'},
      lookup: lookupWithin(reach, lookup) as never,
      signal,
      ...(ca !== undefined && {ca}),
    }
    const asking = url.protocol === 'https:' ? httpsRequest(url, options) : httpRequest(url, options)
    asking.on('response', resolve).on('error', reject).end()
  })

/** Rejects with the reason when there is no such object. Redirects are answers like any other that is not 200: nobody follows them. */
export const fetchObject = async (url: URL, options: FetchOptions): Promise<Record<string, unknown>> => {
  const signal = AbortSignal.timeout(fetchTimeoutMs)
  try {
    const answer = await open(url, options, signal)
    try {
      if (answer.statusCode !== 200) throw new Error(`answered ${answer.statusCode}`)
      const value: unknown = JSON.parse(await read(answer))
      if (!isRecord(value)) throw new Error('no JSON object')
      return value
    } finally {
      answer.destroy()
    }
  } catch (error) {
    throw signal.aborted ? new Error(`no answer within ${fetchTimeoutMs / 1_000} s`) : error
  }
}
