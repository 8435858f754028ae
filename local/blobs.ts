// S3 of a local stage: slugs as files named by their content, behind URLs that are signed, end, and allow one method on one blob. Never overwrites.
import {createHash, createHmac, randomBytes, timingSafeEqual} from 'node:crypto'
import {createReadStream, createWriteStream, readdirSync, rmSync} from 'node:fs'
import {mkdir, open, rename, rm, stat} from 'node:fs/promises'
import type {IncomingMessage, ServerResponse} from 'node:http'
import {join} from 'node:path'
import {Transform} from 'node:stream'
import {pipeline} from 'node:stream/promises'
import {errorCodes, GilliamError, problem} from '#shared/errors.ts'
import type {Logger} from '#shared/log.ts'
import type {BlobStore} from '#shared/ports.ts'

export const urlLifetimeMs = 15 * 60_000
const pathPrefix = '/blobs/'
const partSuffix = '.part'

export interface Blobs extends BlobStore {
  /** Serves the signed URLs; false when `url` is not one of them. */
  readonly serve: (request: IncomingMessage, response: ServerResponse, url: URL) => boolean
}

export interface BlobOptions {
  readonly folder: string
  /** Key of the signatures. */
  readonly secret: string
  /** URL of the gateway, without a slash at its end. */
  readonly baseUrl: () => string
  readonly bytesMax: number
  readonly now: () => number
  readonly log: Logger
}

interface Signer {
  readonly url: (method: 'GET' | 'PUT', sha256: string, bytes: number) => string
  /** What a signed URL allows; throws when it allows nothing. */
  readonly check: (method: string, url: URL) => {readonly sha256: string; readonly bytes: number}
}

const createSigner = ({secret, baseUrl, now}: BlobOptions): Signer => {
  const sign = (method: string, sha256: string, bytes: number, expiresAt: number): string =>
    createHmac('sha256', secret).update(`${method}\n${sha256}\n${bytes}\n${expiresAt}`).digest('hex')
  return {
    url: (method, sha256, bytes) => {
      const expiresAt = now() + urlLifetimeMs
      const signature = sign(method, sha256, bytes, expiresAt)
      return `${baseUrl()}${pathPrefix}${sha256}?bytes=${bytes}&expires=${expiresAt}&signature=${signature}`
    },
    check: (method, url) => {
      const sha256 = url.pathname.slice(pathPrefix.length)
      const [bytes, expiresAt] = [Number(url.searchParams.get('bytes')), Number(url.searchParams.get('expires'))]
      const expected = Buffer.from(sign(method, sha256, bytes, expiresAt))
      const given = Buffer.from(url.searchParams.get('signature') ?? '')
      if (!/^[0-9a-f]{64}$/.test(sha256) || expected.length !== given.length || !timingSafeEqual(expected, given))
        throw new GilliamError('forbidden', `this URL does not allow ${method}; ask POST or GET /v1/artifacts for a new one`)
      if (expiresAt < now()) throw new GilliamError('forbidden', 'this URL has ended; ask POST or GET /v1/artifacts for a new one')
      return {sha256, bytes}
    },
  }
}

/** Opens the blobs in `folder` and forgets uploads that were cut off. */
export const openBlobs = async (options: BlobOptions): Promise<Blobs> => {
  const {folder} = options
  await mkdir(folder, {recursive: true, mode: 0o700})
  for (const name of readdirSync(folder)) if (name.endsWith(partSuffix)) rmSync(join(folder, name), {force: true})
  const signer = createSigner(options)

  const answer = async (request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> => {
    const method = request.method ?? ''
    const {sha256, bytes} = signer.check(method, url)
    if (method === 'GET') return send(folder, response, sha256)
    await store(folder, request, sha256, bytes, options.bytesMax)
    response.writeHead(200, {'content-length': 0}).end()
  }

  return {
    size: sha256 => sizeOf(folder, sha256),
    upload: async (sha256, bytes) => ({url: signer.url('PUT', sha256, bytes), headers: {}}),
    downloadUrl: async sha256 => signer.url('GET', sha256, 0),
    serve: (request, response, url) => {
      if (!url.pathname.startsWith(pathPrefix)) return false
      answer(request, response, url).catch((error: unknown) => refuse(error, request, response, options.log))
      return true
    },
  }
}

const sizeOf = (folder: string, sha256: string): Promise<number | undefined> =>
  stat(join(folder, sha256)).then(
    found => found.size,
    () => undefined,
  )

const send = async (folder: string, response: ServerResponse, sha256: string): Promise<void> => {
  const bytes = await sizeOf(folder, sha256)
  if (bytes === undefined) throw new GilliamError('not_found', `no slug ${sha256}; upload it first`)
  response.writeHead(200, {'content-type': 'application/gzip', 'content-length': bytes})
  await pipeline(createReadStream(join(folder, sha256)), response)
}

/** Keeps a body under its digest, if it is what was announced; else nothing. */
const store = async (folder: string, request: IncomingMessage, sha256: string, bytes: number, bytesMax: number): Promise<void> => {
  const part = join(folder, `${sha256}.${randomBytes(6).toString('hex')}${partSuffix}`)
  try {
    const written = await receive(request, part, Math.min(bytes, bytesMax))
    if (written.bytes !== bytes)
      throw new GilliamError('invalid_request', `${written.bytes} bytes arrived, not the ${bytes} announced; nothing was stored`)
    if (written.sha256 !== sha256)
      throw new GilliamError('invalid_request', `what arrived has the digest ${written.sha256}, not ${sha256}; nothing was stored`)
    await rename(part, join(folder, sha256))
  } finally {
    await rm(part, {force: true})
  }
}

/** Writes a body to a new file, on disk when this returns. Throws `too_large` once it is longer than `bytesMax`. */
const receive = async (request: IncomingMessage, file: string, bytesMax: number): Promise<{bytes: number; sha256: string}> => {
  const hash = createHash('sha256')
  let bytes = 0
  const measured = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      hash.update(chunk)
      if (bytes > bytesMax) done(new GilliamError('too_large', `the body is longer than the ${bytesMax} bytes announced`))
      else done(null, chunk)
    },
  })
  await pipeline(request, measured, createWriteStream(file, {flags: 'wx', mode: 0o600}))
  const written = await open(file, 'r')
  await written.sync().finally(() => written.close())
  return {bytes, sha256: hash.digest('hex')}
}

const refuse = (error: unknown, request: IncomingMessage, response: ServerResponse, log: Logger): void => {
  if (!(error instanceof GilliamError) && !request.destroyed) log.error({err: error}, 'a blob request failed')
  if (response.headersSent || response.destroyed) return void response.destroy()
  const {code, message} =
    error instanceof GilliamError ? error : {code: 'internal' as const, message: 'the slug could not be read or written'}
  const body = JSON.stringify(problem(code, message))
  response
    .writeHead(errorCodes[code].status, {
      'content-type': 'application/problem+json',
      'content-length': Buffer.byteLength(body),
      connection: 'close',
    })
    .end(body)
}
