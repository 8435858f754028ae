// Releases and the services they define: what was deployed, never changed afterwards. Pure data.

import type {TypeOrigin} from './auxiliary.ts'
import type {BackupCommands, BackupSchedule} from './backup.ts'

/** What one instance reserves on its executor. */
export interface Resources {
  /** Thousandths of a core. */
  readonly cpuMilli: number
  /** MiB. */
  readonly memoryMib: number
}

/** Reserved when a manifest names no resources. Memory is a limit, too: see docs/decisions/0035. */
export const resourcesDefault: Resources = {cpuMilli: 100, memoryMib: 256}

/** A port callers use; the instance listens on a host port the agent picks (`$PORT`, `$PORT_<port>`), unless `hostPort` fixes it. */
export interface PortDefinition {
  readonly port: number
  readonly hostPort?: number
}

/** How the agent decides that an instance serves. With neither `http` nor `tcp` and at least one port, `tcp` on the first port. */
export interface HealthCheck {
  /** Path asked with GET; healthy on 2xx and 3xx. */
  readonly http?: string
  readonly tcp?: boolean
  /** One of the service's ports; the first by default. */
  readonly port?: number
  readonly intervalMs: number
  readonly timeoutMs: number
  /** Not healthy for the first time within this: the instance has failed. */
  readonly startTimeoutMs: number
}

export const healthDefault = {intervalMs: 2_000, timeoutMs: 2_000, startTimeoutMs: 30_000} as const

/** Ends of what one instance may take, besides the memory and CPU of {@link Resources}. */
export interface Limits {
  /** Processes and threads at once. */
  readonly pidsMax: number
  /** Open files of one process. */
  readonly filesMax: number
}

/** What an instance gets when a manifest sets no limits. */
export const limitsDefault: Limits = {pidsMax: 1_024, filesMax: 65_536}

/** Storage of an auxiliary that outlives its instances. It stays with the executor that made it. */
export interface VolumeDefinition {
  /** Where a container finds it; a process finds it in `$VOLUME`. */
  readonly path: string
}

/**
 * What becomes of an instance whose executor is not heard from. `replace`: given up and made anew elsewhere. `keep`: waited for, for ever. `stop`: its own
 * agent stops it, and only then is it made anew, so that there are never two.
 */
export interface OnLost {
  readonly action: 'replace' | 'keep' | 'stop'
  /** After the executor's last sync. Nothing for `keep`. */
  readonly afterMs: number
}

/** A silence shorter than a lease says nothing. */
export const onLostAfterMsMin = 45_000
export const onLostDefault: OnLost = {action: 'replace', afterMs: onLostAfterMsMin}

/** Where an instance may run (all requirements hold) and where it should (highest rank first). CEL texts. */
export interface PlacementRules {
  readonly requirements: readonly string[]
  readonly rank?: string
}

export const requirementsMax = 16

/** Prefers the executor with the fewest instances. */
export const rankDefault = '-executor.instances'

export type ServiceKind = 'process' | 'auxiliary'

/** How a service is run, as its release says it and its executor is told. */
export interface RunOptions {
  /** The type of an auxiliary: `redis`. */
  readonly type?: string
  /** A shell command, run in the unpacked slug. */
  readonly script?: string
  /** A container image; needs the `docker` runtime, unless there is a `script` as well. */
  readonly image?: string
  /** The image itself, as `docker save` writes it, in the artifact store: for one that no registry has. `image` is its id then. */
  readonly imageArchive?: SlugReference
  /** What the image's entry point gets, instead of what the image says. */
  readonly args?: readonly string[]
  readonly program?: Program
  readonly limits?: Limits
  /** A container's root file system can not be written. */
  readonly readOnly?: boolean
  /** Who a container runs as, `UID[:GID]` or a name the image knows, instead of what the image says. */
  readonly user?: string
  readonly onLost?: OnLost
}

/** The program that a `script` needs, and how it is installed. */
export interface Program {
  readonly name: string
  readonly install: string
  /** Folders that are looked into besides the executor's PATH; `*` stands for any name, and the last by name is taken. */
  readonly also?: string
}

export interface ServiceDefinition extends PlacementRules, RunOptions {
  readonly kind: ServiceKind
  readonly volume?: VolumeDefinition
  /** Variables that services which require this one get; `{host}`, `{port}` and parameters stand for their values. */
  readonly injects?: Readonly<Record<string, string>>
  /** How its type backs it up. */
  readonly backup?: BackupCommands
  /** That this is done by itself, and how often. */
  readonly backupSchedule?: BackupSchedule
  /** What was chosen of its type. */
  readonly parameters?: Readonly<Record<string, string>>
  /** Where the type was from that says how it is run. */
  readonly origin?: TypeOrigin
  /** It needs nothing of the project: instances get no slug. */
  readonly bare?: boolean
  readonly ports: readonly PortDefinition[]
  readonly env: Readonly<Record<string, string>>
  /** Instances wanted when it is first deployed. */
  readonly scale: number
  readonly health?: HealthCheck
  readonly resources: Resources
  /** Services of the same formation that this one calls. */
  readonly requires: readonly string[]
  /** Between SIGTERM and SIGKILL. */
  readonly stopGraceMs: number
}

export const stopGraceMsDefault = 10_000

/** A packed project in the artifact store, named by its content. */
export interface SlugReference {
  readonly sha256: string
  readonly bytes: number
}

export interface Release {
  readonly formation: string
  /** 1, 2, 3 … without gaps within a formation. */
  readonly release: number
  readonly message?: string
  readonly author?: string
  /** Milliseconds since the epoch, as every `…At` in the domain. */
  readonly createdAt: number
  readonly slug?: SlugReference
  /** For every service of the release; a service's own `env` wins. */
  readonly env: Readonly<Record<string, string>>
  readonly services: Readonly<Record<string, ServiceDefinition>>
  /** What images that are named by a tag mean in this release: `sha256:…` by name, found out when the first of each is to start, and never changed. */
  readonly pins?: Readonly<Record<string, string>>
}

/** What an executor may offer: `docker` runs images, `process` runs scripts. */
export type RuntimeName = 'docker' | 'process'

/** The runtime an executor must offer to run this service; either will do for what says how it is run by each. */
export const runtimeOf = ({image, script}: Pick<ServiceDefinition, 'image' | 'script'>): RuntimeName | 'either' => {
  if (image === undefined) return 'process'
  return script === undefined ? 'docker' : 'either'
}

/** Whether something that offers these runtimes can run what needs `runtime`. */
export const offersRuntime = (offered: readonly RuntimeName[], runtime: RuntimeName | 'either'): boolean =>
  runtime === 'either' ? offered.length > 0 : offered.includes(runtime)

export const servicesPerReleaseMax = 200
export const desiredInstancesMax = 1_000
/** Of all services together: one list of them, twice as long while a rollout is under way, is one answer. */
export const instancesPerFormationMax = 2_000
