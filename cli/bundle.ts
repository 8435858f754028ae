// Bundles the CLI into one file, which starts in a third of the time. Run by ./bootstrap; the launcher prefers the bundle while it is newer than the sources.
import {mkdir, rename, rm} from 'node:fs/promises'
import {join} from 'node:path'
import {build} from 'esbuild'

/** Writes `gilliam.mjs` to `dist`, the root’s by default; who starts the CLI meanwhile finds the old bundle or the new one, never a part. */
export const bundleCli = async (root: string, dist = join(root, 'dist')): Promise<string> => {
  const outfile = join(dist, 'gilliam.mjs')
  const temporary = join(dist, `.gilliam.${process.pid}.mjs`)
  await mkdir(dist, {recursive: true})
  try {
    await build({
      entryPoints: [join(root, 'cli', 'main.ts')],
      outfile: temporary,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node24',
      minify: true,
      legalComments: 'none',
      // CommonJS dependencies call require, which ES modules do not have.
      banner: {js: "import {createRequire} from 'node:module'; const require = createRequire(import.meta.url);"},
      logLevel: 'error',
    })
    await rename(temporary, outfile)
  } finally {
    await rm(temporary, {force: true})
  }
  return outfile
}

if (import.meta.main) await bundleCli(join(import.meta.dirname, '..'))
