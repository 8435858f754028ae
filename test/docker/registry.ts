// A registry of images as small as pulling allows (OCI distribution specification, “Pull”), for tests: images of busybox, made on the spot, with Basic or
// Bearer authentication or none. Remembers what was asked of it.
import {createHash} from 'node:crypto'
import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import {gzipSync} from 'node:zlib'
import {pack} from 'tar-stream'
import {busyboxFiles} from './engine.ts'

const manifestType = 'application/vnd.docker.distribution.manifest.v2+json'
const token = 'a-token-for-pulling'

const digestOf = (content: Buffer): string => `sha256:${createHash('sha256').update(content).digest('hex')}`

const layerOf = async (files: Readonly<Record<string, string | Buffer>>, withBusybox: boolean): Promise<Buffer> => {
  const archive = pack()
  const filling = (async () => {
    if (withBusybox) await busyboxFiles(archive)
    for (const [name, content] of Object.entries(files)) archive.entry({name, mode: 0o755}, content)
    archive.finalize()
  })()
  const chunks: Uint8Array[] = []
  for await (const chunk of archive as AsyncIterable<Uint8Array>) chunks.push(chunk)
  await filling
  return Buffer.concat(chunks)
}

export interface ImageOptions {
  /** Files of a layer of its own, on top of busybox. */
  readonly files?: Readonly<Record<string, string | Buffer>>
  readonly entrypoint?: readonly string[]
  readonly command?: readonly string[]
  readonly user?: string
  readonly stopSignal?: string
}

export class Registry {
  readonly #server: Server
  readonly #blobs = new Map<string, Buffer>()
  readonly #manifests = new Map<string, Buffer>()
  readonly #tags = new Map<string, string>()
  /** `METHOD path` of everything asked. */
  readonly asked: string[] = []
  /** `user:password` that pulling wants. */
  account: string | undefined
  /** How it wants them. */
  scheme: 'basic' | 'bearer' = 'basic'
  /** Half of each blob is sent until this resolves. */
  held: Promise<void> | undefined

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response).catch(() => response.destroy()))
  }

  static async start(): Promise<Registry> {
    const registry = new Registry()
    await new Promise<void>(resolve => registry.#server.listen(0, '127.0.0.1', resolve))
    return registry
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** How often the content of blobs was asked for. */
  get downloads(): number {
    return this.asked.filter(line => /^GET .*\/blobs\//.test(line)).length
  }

  /** Makes an image and names it; answers its digest. */
  async add(
    name: string,
    tag: string,
    {files = {}, entrypoint = [], command = [], user = '', stopSignal}: ImageOptions = {},
  ): Promise<string> {
    const layers = [await layerOf({}, true), ...(Object.keys(files).length === 0 ? [] : [await layerOf(files, false)])]
    const zipped = layers.map(layer => this.#keep(gzipSync(layer)))
    const config = this.#keep(
      Buffer.from(
        JSON.stringify({
          architecture: process.arch === 'x64' ? 'amd64' : process.arch,
          os: 'linux',
          config: {Env: ['PATH=/bin'], Entrypoint: entrypoint, Cmd: command, User: user, ...(stopSignal && {StopSignal: stopSignal})},
          rootfs: {type: 'layers', diff_ids: layers.map(digestOf)},
        }),
      ),
    )
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: manifestType,
        config: {mediaType: 'application/vnd.docker.container.image.v1+json', ...config},
        layers: zipped.map(layer => ({mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip', ...layer})),
      }),
    )
    const digest = digestOf(manifest)
    this.#manifests.set(`${name}/${digest}`, manifest)
    this.#tags.set(`${name}/${tag}`, digest)
    return digest
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #keep(blob: Buffer): {digest: string; size: number} {
    const digest = digestOf(blob)
    this.#blobs.set(digest, blob)
    return {digest, size: blob.length}
  }

  async #answer({method = '', url = '', headers}: IncomingMessage, response: ServerResponse): Promise<void> {
    this.asked.push(`${method} ${url}`)
    if (url.startsWith('/token')) return this.#token(headers.authorization, response)
    if (!this.#isAllowed(headers.authorization)) return this.#challenge(response)
    const [, name = '', kind = '', reference = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(url) ?? []
    if (url === '/v2/') return void response.end('{}')
    if (kind === 'manifests') return this.#manifest(name, reference, method, response)
    const blob = this.#blobs.get(reference)
    if (blob === undefined) return this.#fault(response, 404, 'BLOB_UNKNOWN', 'blob unknown')
    response.writeHead(200, {'content-type': 'application/octet-stream', 'content-length': blob.length})
    const half = blob.length >> 1
    response.write(blob.subarray(0, half))
    await this.held
    response.end(blob.subarray(half))
  }

  #manifest(name: string, reference: string, method: string, response: ServerResponse): void {
    const digest = this.#tags.get(`${name}/${reference}`) ?? reference
    const manifest = this.#manifests.get(`${name}/${digest}`)
    if (manifest === undefined) this.#fault(response, 404, 'MANIFEST_UNKNOWN', 'manifest unknown')
    else {
      response.writeHead(200, {'content-type': manifestType, 'content-length': manifest.length, 'docker-content-digest': digest})
      response.end(method === 'HEAD' ? undefined : manifest)
    }
  }

  #isAllowed(authorization: string | undefined): boolean {
    if (this.account === undefined) return true
    const wanted = this.scheme === 'basic' ? `Basic ${Buffer.from(this.account).toString('base64')}` : `Bearer ${token}`
    return authorization === wanted
  }

  #token(authorization: string | undefined, response: ServerResponse): void {
    if (authorization !== `Basic ${Buffer.from(this.account ?? '').toString('base64')}`)
      this.#fault(response, 401, 'UNAUTHORIZED', 'no such account')
    else response.end(JSON.stringify({token, access_token: token, expires_in: 300}))
  }

  #challenge(response: ServerResponse): void {
    const how = this.scheme === 'basic' ? 'Basic realm="tests"' : `Bearer realm="http://${this.host}/token",service="tests"`
    response.setHeader('www-authenticate', how)
    this.#fault(response, 401, 'UNAUTHORIZED', 'authentication required')
  }

  #fault(response: ServerResponse, status: number, code: string, message: string): void {
    response.writeHead(status, {'content-type': 'application/json'})
    response.end(JSON.stringify({errors: [{code, message}]}))
  }
}
