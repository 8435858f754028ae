// S3 of a local stage: slugs as files named by their content, dumps by the name of their backup, behind URLs that are signed, end, and allow one method on one blob. Never overwrites.
import {createHash, createHmac, randomBytes, timingSafeEqual} from 'node:crypto'
import {createReadStream, createWriteStream, readdirSync, rmSync} from 'node:fs'
import {mkdir, open, rename, rm, stat} from 'node:fs/promises'
import type {IncomingMessage, ServerResponse} from 'node:http'
import {basename, join} from 'node:path'
import {Transform} from 'node:stream'
import {pipeline} from 'node:stream/promises'
import {errorCodes, GilliamError, problem} from '#shared/errors.ts'
import type {Logger} from '#shared/log.ts'
import {type BlobStore, type DumpStore, signedUrlMs} from '#shared/ports.ts'

const pathPrefix = '/blobs/'
const partSuffix = '.part'

export interface Blobs extends BlobStore {
  readonly dumps: DumpStore
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

/** A slug's name is its digest; a dump's has slashes. */
interface Blob {
  readonly name: string
  /** Of what is uploaded. */
  readonly sha256: string
  readonly bytes: number
}

interface Signer {
  readonly url: (method: 'GET' | 'PUT', blob: Blob) => string
  /** What a signed URL allows; throws when it allows nothing. */
  readonly check: (method: string, url: URL) => Blob
}

const dumpName = (name: string): string => `backups/${name}`
/** No name of a formation, service or instance has a dot. */
const fileOf = (folder: string, name: string): string => join(folder, name.replaceAll('/', '.'))

const createSigner = ({secret, baseUrl, now}: BlobOptions): Signer => {
  const sign = (method: string, {name, sha256, bytes}: Blob, expiresAt: number): string =>
    createHmac('sha256', secret).update(`${method}\n${name}\n${sha256}\n${bytes}\n${expiresAt}`).digest('hex')
  return {
    url: (method, blob) => {
      const {name, sha256, bytes} = blob
      const expiresAt = now() + signedUrlMs
      const digest = sha256 === name ? '' : `sha256=${sha256}&`
      return `${baseUrl()}${pathPrefix}${name}?${digest}bytes=${bytes}&expires=${expiresAt}&signature=${sign(method, blob, expiresAt)}`
    },
    check: (method, url) => {
      const name = url.pathname.slice(pathPrefix.length)
      const sha256 = url.searchParams.get('sha256') ?? name
      const [bytes, expiresAt] = [Number(url.searchParams.get('bytes')), Number(url.searchParams.get('expires'))]
      const blob = {name, sha256, bytes}
      const expected = Buffer.from(sign(method, blob, expiresAt))
      const given = Buffer.from(url.searchParams.get('signature') ?? '')
      if (expected.length !== given.length || !timingSafeEqual(expected, given))
        throw new GilliamError('forbidden', `this URL does not allow ${method}; ask for a new one`)
      if (expiresAt < now()) throw new GilliamError('forbidden', 'this URL has ended; ask for a new one')
      return blob
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
    const blob = signer.check(method, url)
    if (method === 'GET') return send(fileOf(folder, blob.name), response)
    await store(fileOf(folder, blob.name), request, blob, options.bytesMax)
    response.writeHead(200, {'content-length': 0}).end()
  }

  return {
    size: sha256 => sizeOf(fileOf(folder, sha256)),
    upload: async (sha256, bytes) => ({url: signer.url('PUT', {name: sha256, sha256, bytes}), headers: {}}),
    downloadUrl: async sha256 => signer.url('GET', {name: sha256, sha256, bytes: 0}),
    dumps: {
      size: name => sizeOf(fileOf(folder, dumpName(name))),
      upload: async (name, dump) => ({url: signer.url('PUT', {name: dumpName(name), ...dump}), headers: {}}),
      downloadUrl: async name => signer.url('GET', {name: dumpName(name), sha256: '', bytes: 0}),
      remove: name => rm(fileOf(folder, dumpName(name)), {force: true}),
    },
    serve: (request, response, url) => {
      if (!url.pathname.startsWith(pathPrefix)) return false
      answer(request, response, url).catch((error: unknown) => refuse(error, request, response, options.log))
      return true
    },
  }
}

const sizeOf = (file: string): Promise<number | undefined> =>
  stat(file).then(
    found => found.size,
    () => undefined,
  )

const send = async (file: string, response: ServerResponse): Promise<void> => {
  const bytes = await sizeOf(file)
  if (bytes === undefined) throw new GilliamError('not_found', `nothing is stored as ${basename(file)}; upload it first`)
  response.writeHead(200, {'content-type': 'application/gzip', 'content-length': bytes})
  await pipeline(createReadStream(file), response)
}

/** Keeps a body under its digest, if it is what was announced; else nothing. */
const store = async (file: string, request: IncomingMessage, {sha256, bytes}: Blob, bytesMax: number): Promise<void> => {
  const part = `${file}.${randomBytes(6).toString('hex')}${partSuffix}`
  try {
    const written = await receive(request, part, Math.min(bytes, bytesMax))
    if (written.bytes !== bytes)
      throw new GilliamError('invalid_request', `${written.bytes} bytes arrived, not the ${bytes} announced; nothing was stored`)
    if (written.sha256 !== sha256)
      throw new GilliamError('invalid_request', `what arrived has the digest ${written.sha256}, not ${sha256}; nothing was stored`)
    await rename(part, file)
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
    error instanceof GilliamError ? error : {code: 'internal' as const, message: 'the blob could not be read or written'}
  const body = JSON.stringify(problem(code, message))
  response
    .writeHead(errorCodes[code].status, {
      'content-type': 'application/problem+json',
      'content-length': Buffer.byteLength(body),
      connection: 'close',
    })
    .end(body)
}
