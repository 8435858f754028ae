// Releases and the services they define: what was deployed, never changed afterwards. Pure data.

/** What one instance reserves on its executor. */
export interface Resources {
  /** Thousandths of a core. */
  readonly cpuMilli: number
  /** MiB. */
  readonly memoryMib: number
}

/** Reserved when a manifest names no resources. */
export const resourcesDefault: Resources = {cpuMilli: 100, memoryMib: 64}

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

/** Where an instance may run (all requirements hold) and where it should (highest rank first). CEL texts. */
export interface PlacementRules {
  readonly requirements: readonly string[]
  readonly rank?: string
}

export const requirementsMax = 16

/** Prefers the executor with the fewest instances. */
export const rankDefault = '-executor.instances'

export type ServiceKind = 'process' | 'auxiliary'

export interface ServiceDefinition extends PlacementRules {
  readonly kind: ServiceKind
  /** The type of an auxiliary: `redis`. */
  readonly type?: string
  /** A shell command, run in the unpacked slug. */
  readonly script?: string
  /** A container image; runs only on executors with the `docker` runtime. */
  readonly image?: string
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
}

/** The runtime an executor must offer to run this service. */
export const runtimeOf = (service: Pick<ServiceDefinition, 'image'>): 'docker' | 'process' =>
  service.image === undefined ? 'process' : 'docker'

export const servicesPerReleaseMax = 200
export const desiredInstancesMax = 1_000
