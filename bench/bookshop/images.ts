// Images of programs that are installed here, for engines without a registry: each program, the libraries it is linked to, and busybox for a shell. Made in
// a folder, imported by Docker's command line.
import {execFileSync} from 'node:child_process'
import {copyFileSync, cpSync, globSync, mkdirSync, rmSync, symlinkSync} from 'node:fs'
import {basename, dirname, join} from 'node:path'

const shellPrograms = ['sh', 'sleep', 'cat', 'env']
const path = '/usr/bin:/bin'

const located = (program: string): string => execFileSync('which', [program], {encoding: 'utf8'}).trim()

/** What a dynamically linked file wants to be loaded, by `ldd`. */
const librariesOf = (file: string): readonly string[] =>
  [...execFileSync('ldd', [file], {encoding: 'utf8'}).matchAll(/(\/\S+) \(0x/g)].map(([, library = '']) => library)

const put = (root: string, from: string, to: string): void => {
  mkdirSync(dirname(join(root, to)), {recursive: true})
  copyFileSync(from, join(root, to))
}

const putProgram = (root: string, file: string): void => {
  put(root, file, `usr/bin/${basename(file)}`)
  for (const library of librariesOf(file)) put(root, library, library)
}

/** A root file system with a shell and nothing else, laid out as Debian's. */
const emptyRoot = (root: string): void => {
  for (const folder of ['usr/bin', 'usr/lib', 'usr/lib64', 'tmp', 'data']) mkdirSync(join(root, folder), {recursive: true})
  for (const name of ['bin', 'lib', 'lib64']) symlinkSync(`usr/${name}`, join(root, name))
  put(root, located('busybox'), 'usr/bin/busybox')
  for (const name of shellPrograms) symlinkSync('busybox', join(root, 'usr/bin', name))
}

/** Python's own library, without what is only for testing and developing it. */
const putPython = (root: string): void => {
  const [prefix = '', version = ''] = execFileSync(
    'python3',
    ['-c', 'import sys; print(sys.base_prefix, "python%d.%d" % sys.version_info[:2])'],
    {
      encoding: 'utf8',
    },
  )
    .trim()
    .split(' ')
  const library = join(prefix, 'lib', version)
  putProgram(root, join(prefix, 'bin', version))
  symlinkSync(version, join(root, 'usr/bin/python3'))
  const unwanted = /\/(?:test|tests|idlelib|tkinter|ensurepip|lib2to3|__pycache__|config-[^/]*|dist-packages)(?:\/|$)/
  cpSync(library, join(root, 'usr/lib', version), {recursive: true, dereference: true, filter: from => !unwanted.test(from)})
  for (const extension of globSync(join(library, 'lib-dynload/*.so')))
    for (const needed of librariesOf(extension)) put(root, needed, needed)
}

/** An archive of a root file system, and what an image of it says. */
export interface Archive {
  readonly file: string
  readonly changes: readonly string[]
}

const archive = (folder: string, name: string, changes: readonly string[]): Archive => {
  const [root, file] = [join(folder, name), join(folder, `${name}.tar`)]
  execFileSync('tar', ['-C', root, '--owner=0', '--group=0', '-cf', file, '.'])
  rmSync(root, {recursive: true})
  return {file, changes: [`ENV PATH=${path}`, ...changes]}
}

/** What projects run in: the Node that this runs on, and Python. */
export const stackArchive = (folder: string): Archive => {
  const root = join(folder, 'stack')
  emptyRoot(root)
  putProgram(root, process.execPath)
  putPython(root)
  return archive(folder, 'stack', [])
}

/** Redis as its official image has it: data below `/data`, open to the network that the container is in. */
export const redisArchive = (folder: string): Archive => {
  const root = join(folder, 'redis')
  emptyRoot(root)
  for (const program of ['redis-server', 'redis-cli']) putProgram(root, located(program))
  const entrypoint = JSON.stringify(['/bin/sh', '-c', 'exec "$@" --protected-mode no', 'redis'])
  return archive(folder, 'redis', [`ENTRYPOINT ${entrypoint}`, 'WORKDIR /data'])
}

/** Gives an engine an image; answers its id. */
export const importImage = (socketPath: string, {file, changes}: Archive, name: string): string =>
  execFileSync('docker', ['-H', `unix://${socketPath}`, 'import', ...changes.flatMap(each => ['--change', each]), file, name], {
    encoding: 'utf8',
  }).trim()
