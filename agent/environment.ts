// Builds the environment of an instance's process. Pure: what is not named here never reaches it, the agent's own credentials above all.
import type {Assignment} from '#shared/domain/assignment.ts'
import {isReservedVariable} from '#shared/domain/names.ts'

/** What is the same for every instance of an executor. */
export interface ExecutorEnvironment {
  readonly stage: string
  readonly executor: string
  readonly zone: string
  readonly api: string
  /** Bind address of instances, and where callers reach them. */
  readonly host: string
  /** URL of the forward proxy; instances get none when undefined. */
  readonly proxy?: string
  /** The interface that containers of this machine are behind: a proxy of the loopback listens there as well. */
  readonly bridge?: string
  readonly path: string
  readonly lang: string
}

const proxyVariables = (proxy: string | undefined): Record<string, string> =>
  proxy === undefined
    ? {}
    : {
        HTTP_PROXY: proxy,
        http_proxy: proxy,
        NO_PROXY: 'localhost,127.0.0.1',
        no_proxy: 'localhost,127.0.0.1',
        NODE_USE_ENV_PROXY: '1',
      }

const portVariables = (ports: Readonly<Record<string, number>>, first: number | undefined): Record<string, string> => {
  const variables: Record<string, string> = {}
  for (const [port, hostPort] of Object.entries(ports)) variables[`PORT_${port}`] = String(hostPort)
  const hostPort = first === undefined ? undefined : ports[first]
  return hostPort === undefined ? variables : {...variables, PORT: String(hostPort)}
}

/**
 * The whole environment. `ports` maps service ports to host ports and `first` is the service port that `PORT` stands for; `home` is the instance's own
 * folder. The release's variables win, except over the reserved names.
 */
export const environmentOf = (
  assignment: Assignment,
  executor: ExecutorEnvironment,
  given: {ports: Readonly<Record<string, number>>; first?: number; home: string; volume?: string | undefined},
): Record<string, string> => ({
  PATH: executor.path,
  LANG: executor.lang,
  HOME: given.home,
  HOST: executor.host,
  ...proxyVariables(executor.proxy),
  ...Object.fromEntries(Object.entries(assignment.env).filter(([name]) => !isReservedVariable(name))),
  ...portVariables(given.ports, given.first),
  ...(given.volume === undefined ? {} : {VOLUME: given.volume}),
  ...(executor.bridge === undefined ? {} : {GILLIAM_PROXY_BRIDGE: executor.bridge}),
  GILLIAM_STAGE: executor.stage,
  GILLIAM_API: executor.api,
  GILLIAM_EXECUTOR: executor.executor,
  GILLIAM_ZONE: executor.zone,
  GILLIAM_FORMATION: assignment.formation,
  GILLIAM_SERVICE: assignment.service,
  GILLIAM_INSTANCE: assignment.id,
  GILLIAM_RELEASE: String(assignment.release),
})
