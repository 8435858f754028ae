// Files of types from an npm package: fetched by the user's own npm, in a folder of its own, with no script of the package run; nothing of it is installed.
import {spawn} from 'node:child_process'
import {createReadStream} from 'node:fs'
import {mkdtemp, readdir, rm, stat} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {pipeline} from 'node:stream/promises'
import {createGunzip} from 'node:zlib'
import {type Extract, extract} from 'tar-stream'
import {typeBytesMax} from '#shared/types/read.ts'
import {CommandError, Interrupted} from '../exit.ts'
import {createMeter} from '../pack/meter.ts'
import {filesMax, isTypeFile, type TypeFile} from './files.ts'

const npmTimeoutMs = 60_000
const packedBytesMax = 16 * 1_048_576
const unpackedBytesMax = 64 * 1_048_576
const errorCharsMax = 2_048
/** In the package. */
const folder = 'package/types/'

type Options = {readonly env: Readonly<Record<string, string | undefined>>; readonly interrupted: AbortSignal}

/** Runs `npm pack`; the platform's token is not in its environment. */
const pack = async (spec: string, dir: string, {env, interrupted}: Options): Promise<void> => {
  const {GILLIAM_TOKEN: _token, GILLIAM_TOKEN_FILE: _file, NODE_COMPILE_CACHE: _cache, ...passed} = env
  const signal = AbortSignal.any([interrupted, AbortSignal.timeout(npmTimeoutMs)])
  // Its own patience would outlast ours, and not say what is wrong.
  const args = [
    'pack',
    '--loglevel=error',
    '--fetch-retries=1',
    '--fetch-retry-mintimeout=1000',
    '--ignore-scripts',
    '--pack-destination',
    dir,
    '--',
    spec,
  ]
  const child = spawn('npm', args, {cwd: dir, env: passed, stdio: ['ignore', 'ignore', 'pipe'], signal})
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk).slice(-errorCharsMax)
  })
  await new Promise<void>((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (interrupted.aborted) reject(new Interrupted())
      else if (signal.aborted) reject(new CommandError('failed', `npm did not fetch ${spec} within ${npmTimeoutMs / 1_000} s.`))
      else reject(error.code === 'ENOENT' ? new CommandError('usage', `Types from ${spec} need the \`npm\` command on the PATH.`) : error)
    })
    child.on('close', code => {
      if (code === 0) resolve()
      else reject(new CommandError('failed', `npm can not fetch ${spec}: ${said.trim() || `exit code ${code}`}`))
    })
  })
}

const collect = async (archive: Extract, spec: string): Promise<TypeFile[]> => {
  const files: TypeFile[] = []
  for await (const entry of archive) {
    const {name, type, size = 0} = entry.header
    const inside = name.startsWith(folder) ? name.slice(folder.length) : ''
    if (type !== 'file' || inside.includes('/') || !isTypeFile(inside)) {
      entry.resume()
      continue
    }
    if (size > typeBytesMax || files.length >= filesMax)
      throw new CommandError('usage', `${spec} has more than ${filesMax} types, or one larger than ${typeBytesMax} bytes.`)
    const chunks: Buffer[] = []
    for await (const chunk of entry) chunks.push(chunk as Buffer)
    files.push({from: `${spec}/${inside}`, text: Buffer.concat(chunks).toString('utf8')})
  }
  return files
}

const read = async (file: string, spec: string): Promise<TypeFile[]> => {
  const archive = extract()
  const meter = createMeter(`${spec} has more than ${unpackedBytesMax} bytes unpacked.`, unpackedBytesMax)
  const unpacked = pipeline(createReadStream(file), createGunzip(), meter.stream, archive)
  const [files] = await Promise.all([collect(archive, spec), unpacked])
  return files
}

/** The files in the folder `types/` of one version of a package. */
export const filesOfPackage = async (
  {name, version}: {readonly name: string; readonly version: string},
  options: Options,
): Promise<readonly TypeFile[]> => {
  const dir = await mkdtemp(join(tmpdir(), 'gilliam-types-'))
  try {
    await pack(`${name}@${version}`, dir, options)
    const archive = (await readdir(dir)).find(file => file.endsWith('.tgz'))
    if (archive === undefined) throw new CommandError('failed', `npm left no archive of ${name}@${version}.`)
    if ((await stat(join(dir, archive))).size > packedBytesMax)
      throw new CommandError('usage', `${name}@${version} is larger than ${packedBytesMax} bytes.`)
    const files = await read(join(dir, archive), `npm:${name}@${version}`)
    if (files.length === 0) throw new CommandError('usage', `${name}@${version} has no type: no .yml in its folder types/.`)
    return files
  } finally {
    await rm(dir, {recursive: true, force: true})
  }
}
