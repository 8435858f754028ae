// The types that are always there, one file each beside this one. Bundles have the texts in place of the calls that read them (bundling.ts).
import {createHash} from 'node:crypto'
import {readFileSync} from 'node:fs'
import type {AuxiliaryType, TypeOrigin} from '../domain/auxiliary.ts'
import {parseType} from './read.ts'

export interface FoundType {
  readonly type: AuxiliaryType
  readonly origin: TypeOrigin
  /** Its file. */
  readonly text: string
}

/** Types by name, wherever they are from. */
export type Types = ReadonlyMap<string, FoundType>

export const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex')

const texts = (): string[] => [
  readFileSync(new URL('./redis.yml', import.meta.url), 'utf8'),
  readFileSync(new URL('./etcd.yml', import.meta.url), 'utf8'),
  readFileSync(new URL('./postgres.yml', import.meta.url), 'utf8'),
  readFileSync(new URL('./memcached.yml', import.meta.url), 'utf8'),
  readFileSync(new URL('./nats.yml', import.meta.url), 'utf8'),
]

/** Reads them all: some milliseconds. */
export const builtinTypes = (): Types =>
  new Map(
    texts().map(text => {
      const parsed = parseType(text)
      if (!parsed.ok) throw new Error(`a built-in type is not valid: ${parsed.problems[0]?.message}`)
      return [parsed.type.type, {type: parsed.type, origin: {from: 'builtin', sha256: digestOf(text)}, text}]
    }),
  )
