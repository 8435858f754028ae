// The types a manifest may use besides those built in: the project's own, from folders, URLs and npm packages, and those of the stage that it names. A
// project's own come first, then the built-in ones, then the stage's.
import {existsSync} from 'node:fs'
import {join} from 'node:path'
import {builtinTypes, digestOf, type FoundType, type Types} from '#shared/types/builtin.ts'
import {parseType} from '#shared/types/read.ts'
import {parseTypeSource, type TypeSource, typesFolderDefault} from '#shared/types/sources.ts'
import {CommandError} from '../exit.ts'
import {filesOfFolder, filesOfUrl, type TypeFile} from './files.ts'
import {filesOfPackage} from './npm.ts'

export interface FetchOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly interrupted: AbortSignal
}

/** A type of the stage, undefined when it has none so called. */
export type StageType = (name: string) => Promise<FoundType | undefined>

/** A file as a type; throws a usage error with every problem's line and column. */
export const readTypeFile = ({text, from}: TypeFile): FoundType => {
  const parsed = parseType(text)
  if (parsed.ok) return {type: parsed.type, origin: {from, sha256: digestOf(text)}, text}
  const lines = parsed.problems.map(({line, column, message}) => `${from}:${line}:${column}: ${message}`)
  throw new CommandError('usage', `A type is not valid:\n${lines.join('\n')}`)
}

const filesOf = (dir: string, source: TypeSource, options: FetchOptions): Promise<readonly TypeFile[]> => {
  if (source.kind === 'folder') return filesOfFolder(dir, source.path)
  return source.kind === 'url' ? filesOfUrl(source, options) : filesOfPackage(source, options)
}

const sourcesOf = (dir: string, named: readonly string[] | undefined): readonly TypeSource[] =>
  named === undefined
    ? existsSync(join(dir, typesFolderDefault))
      ? [{kind: 'folder', path: typesFolderDefault}]
      : []
    : named.flatMap(text => parseTypeSource(text) ?? [])

/** Those of the project in `dir`, by name; `named` is what its manifest says under `types`. What it says of sources that are none is told by the manifest. */
export const projectTypes = async (dir: string, named: readonly string[] | undefined, options: FetchOptions): Promise<Types> => {
  const types = new Map<string, FoundType>()
  for (const source of sourcesOf(dir, named))
    for (const found of (await filesOf(dir, source, options)).map(readTypeFile)) {
      const other = types.get(found.type.type)
      if (other !== undefined)
        throw new CommandError('usage', `Type ${found.type.type} is in ${other.origin.from} and in ${found.origin.from}; keep one.`)
      types.set(found.type.type, found)
    }
  return types
}

/** All that may be meant by `names`: the stage is asked only for what is neither the project’s nor built in. */
export const usableTypes = async (own: Types, names: readonly string[], stageType: StageType | undefined): Promise<Types> => {
  const builtin = builtinTypes()
  const known = new Map([...builtin, ...own])
  for (const name of new Set(names)) {
    if (known.has(name)) continue
    const found = await stageType?.(name)
    if (found !== undefined) known.set(name, found)
  }
  return known
}
