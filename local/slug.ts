// Packs the data plane into a slug: one bundled file, the same bytes for the same program, so that its digest tells whether anything changed.
import {createHash} from 'node:crypto'
import {promisify} from 'node:util'
import {gzip} from 'node:zlib'
import {pack} from 'tar-stream'
import {readBundle} from './bundle.ts'

export const bundleName = 'proxy.mjs'

export interface Slug {
  readonly sha256: string
  readonly content: Buffer
}

const tarOf = async (name: string, content: Buffer): Promise<Buffer> => {
  const archive = pack()
  archive.entry({name, mode: 0o644, mtime: new Date(0)}, content)
  archive.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of archive as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Router and proxy as a tar.gz slug, from their bundle. */
export const packDataPlane = async (bundle: string): Promise<Slug> => {
  const content = await promisify(gzip)(await tarOf(bundleName, await readBundle(bundle)))
  return {sha256: createHash('sha256').update(content).digest('hex'), content}
}
