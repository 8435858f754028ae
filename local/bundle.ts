// Packs the data plane into a slug: one bundled file, the same bytes for the same source, so that its digest tells whether anything changed.
import {createHash} from 'node:crypto'
import {fileURLToPath} from 'node:url'
import {promisify} from 'node:util'
import {gzip} from 'node:zlib'
import {build} from 'esbuild'
import {pack} from 'tar-stream'

/** CommonJS dependencies ask for `require`, which an ES module does not have. */
const requireBanner = "import {createRequire} from 'node:module'; const require = createRequire(import.meta.url);"

export const bundleName = 'proxy.mjs'

export interface Slug {
  readonly sha256: string
  readonly content: Buffer
}

const bundleProxy = async (): Promise<Uint8Array> => {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const {outputFiles} = await build({
    absWorkingDir: root,
    entryPoints: ['proxy/main.ts'],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    banner: {js: requireBanner},
    legalComments: 'none',
    write: false,
    logLevel: 'silent',
  })
  const [file] = outputFiles
  if (file === undefined) throw new Error('esbuild made no bundle of proxy/main.ts')
  return file.contents
}

const tarOf = async (name: string, content: Uint8Array): Promise<Buffer> => {
  const archive = pack()
  archive.entry({name, mode: 0o644, mtime: new Date(0)}, Buffer.from(content))
  archive.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of archive as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Router and proxy as a tar.gz slug. */
export const packDataPlane = async (): Promise<Slug> => {
  const content = await promisify(gzip)(await tarOf(bundleName, await bundleProxy()))
  return {sha256: createHash('sha256').update(content).digest('hex'), content}
}
