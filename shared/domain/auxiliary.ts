// What a type of backing service is, once its file is read: how an instance of it is run, and what those who require it are told. Pure data.
import type {BackupCommands} from './backup.ts'
import type {HealthCheck, PortDefinition, Program} from './release.ts'

/** Something a manifest may choose. Its value reaches the command as an environment variable, and nowhere else but whole arguments of an image. */
export interface TypeParameter {
  readonly about: string
  readonly variable: string
  /** Without one a manifest must give a value. */
  readonly default?: string
  /** Whole values that are accepted, in RE2’s syntax. */
  readonly pattern: string
}

export interface AuxiliaryType {
  readonly type: string
  readonly about: string
  readonly image?: string
  /** Of the image. `{name}` as a part stands for a parameter. */
  readonly args?: readonly string[]
  /** Shell command of the process runtime. */
  readonly script?: string
  readonly program?: Program
  readonly ports: readonly PortDefinition[]
  readonly health?: HealthCheck
  /** Where its data is in a container. `unasked`: it has a volume unless a manifest says otherwise. */
  readonly volume?: {readonly path: string; readonly unasked: boolean}
  readonly backup?: BackupCommands
  readonly parameters: Readonly<Record<string, TypeParameter>>
  /** By the end of a variable’s name: `URL` becomes `CACHE_URL` for `_cache`. */
  readonly injects: Readonly<Record<string, string>>
}

/** What one picks a type by. */
export interface TypeFacts {
  readonly ports: readonly number[]
  readonly volume: 'yes' | 'when asked for' | 'no'
  readonly backup: boolean
  readonly parameters: readonly string[]
}

export const factsOf = ({ports, volume, backup, parameters}: AuxiliaryType): TypeFacts => ({
  ports: ports.map(({port}) => port),
  volume: volume === undefined ? 'no' : volume.unasked ? 'yes' : 'when asked for',
  backup: backup !== undefined,
  parameters: Object.keys(parameters),
})

/** Where a release has a type from, and the digest of its file. */
export interface TypeOrigin {
  readonly from: string
  readonly sha256: string
}

/** What a type’s variables begin with for one service: `_cache` → `CACHE`, `user-db` → `USER_DB`. */
export const prefixOf = (service: string): string => service.replace(/^_/, '').replaceAll('-', '_').toUpperCase()
