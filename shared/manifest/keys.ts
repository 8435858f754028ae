// Every key a manifest may have, as tables: meaning and reader. docs/manifest.md is tested against them. How values become a release is in service.ts.
import {isName, isServiceName} from '#shared/domain/names.ts'
import {parseTypeSource} from '../types/sources.ts'
import {flag, group, list, quantity, type Read, record, refuse, text, textThat, variable, variables, wholeNumber} from './reading.ts'
import {readRoutes} from './routes.ts'
import {parseCpu, parseDuration, parseMemory, parseOnLost, parsePort} from './units.ts'

export const duration = quantity(parseDuration, 'a duration with its unit (`500ms`, `10s`, `5m`, `1h`)')
export const name = 'lower-case letters, digits and dashes, at most 40, starting with a letter'

export const portList = list(quantity(parsePort, "a port from 1 to 65535 (`80`), or `'8080:80'` for a fixed host port"))

export const healthKeys = {
  http: {about: 'path asked with GET; healthy on 2xx and 3xx', read: text},
  tcp: {about: 'healthy when a connection is accepted; the default for services with ports', read: flag},
  port: {about: 'the port to check; the first by default', read: wholeNumber},
  interval: {about: 'time between checks', read: duration},
  timeout: {about: 'time one check may take', read: duration},
  start_timeout: {about: 'an instance not healthy for the first time within this has failed', read: duration},
} as const

const volumePath = textThat(given => /^\/[A-Za-z0-9_./-]{1,255}$/.test(given), 'an absolute path (`/data`)')
const volumeKeys = {path: {about: 'where a container finds it; a process finds it in `$VOLUME`', read: volumePath}} as const
/** `true`, `false`, or where. */
const volume: Read<boolean | {readonly path?: string}> = (value, reading, what) => {
  if (value.kind === 'map') return group(volumeKeys)(value, reading, what)
  const isFlag = value.kind === 'scalar' && typeof value.value === 'boolean'
  return isFlag ? flag(value, reading, what) : refuse(value, reading, what, '`true`, `false`, or where it is (`{path: /data}`)')
}

export const backupKeys = {
  every: {about: 'time between backups, from 15m to 30d', read: quantity(parseDuration, 'a duration with its unit (`6h`, `24h`, `7d`)')},
  keep: {about: 'good backups to keep, the newest; 7 by default', read: wholeNumber},
} as const

export const resourceKeys = {
  cpu: {about: 'cores reserved on the executor', read: quantity(parseCpu, 'a number of cores (`0.5`, `2`) or thousandths (`250m`)')},
  memory: {
    about: 'memory reserved on the executor',
    read: quantity(parseMemory, 'a size with its unit (K, M, G for powers of 1000; Ki, Mi, Gi for powers of 1024)'),
  },
} as const

export const limitKeys = {
  pids: {about: 'processes and threads of one instance', read: wholeNumber},
  files: {about: 'open files of one process', read: wholeNumber},
} as const

/** Who a container runs as. */
const userPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,31})?$/

const shared = {
  script: {about: 'shell command that runs one instance, in the unpacked project', read: text},
  image: {about: 'container image, instead of a script', read: text},
  build: {about: 'shell command run once per deploy, in a copy of the project, before it is packed', read: text},
  ports: {
    about: 'ports callers use; `HOST:SERVICE` fixes the port on the executor',
    read: portList,
  },
  env: {about: 'environment variables', read: variables},
  scale: {about: 'instances at the first deploy', read: wholeNumber},
  health: {about: 'how an instance shows that it serves', read: group(healthKeys)},
  resources: {about: 'what one instance reserves', read: group(resourceKeys)},
  limits: {about: 'the most one instance may take besides', read: group(limitKeys)},
  args: {about: 'what the image’s entry point gets, instead of what the image says', read: list(text)},
  user: {
    about: 'who a container runs as, instead of what the image says',
    read: textThat(given => userPattern.test(given), 'a user: `UID`, `UID:GID`, or names the image knows'),
  },
  read_only: {about: '`true`: a container can write to `/tmp`, `/run` and its volume only', read: flag},
  requirements: {about: 'expressions that must all hold on an executor', read: list(text)},
  rank: {about: 'expression; the executor with the highest value is taken', read: text},
  requires: {
    about: 'services of this manifest that this one calls',
    read: list(textThat(isServiceName, `the name of a service: ${name}`)),
  },
  on_lost: {
    about: 'what becomes of an instance whose executor is not heard from',
    read: quantity(parseOnLost, '`keep`, `replace after TIME` or `stop after TIME`, with a time from `45s` to `24h`'),
  },
  stop_grace: {about: 'time between SIGTERM and SIGKILL', read: duration},
} as const

export const processKeys = shared
export const auxiliaryKeys = {
  type: {about: 'a type of backing service: `redis`, `etcd`, `postgres`, `memcached`, `nats`, or one of your own', read: text},
  parameters: {about: 'what its type lets you choose', read: record(variable)},
  volume: {
    about: 'storage that outlives instances and stays with its executor: `true`, `false`, or `{path: …}` for an image',
    read: volume,
  },
  backup: {about: 'backups made by themselves, by the commands of its type', read: group(backupKeys)},
  ...shared,
} as const

export const manifestKeys = {
  formation: {about: 'the formation it is deployed to', read: textThat(isName, name)},
  env: {about: 'environment variables of every service; a service’s own win', read: variables},
  processes: {about: 'your services, by name', read: record(group(processKeys), key => `process “${key}”`)},
  auxiliary: {about: 'backing services, by name', read: record(group(auxiliaryKeys), key => `auxiliary “${key}”`)},
  types: {
    about: 'where types of your own are: folders, `https://…` files, `npm:NAME@VERSION`',
    read: list(
      textThat(
        given => parseTypeSource(given) !== undefined,
        'a folder of the project, an https URL (`#sha256=…` pins it) or `npm:NAME@VERSION` with one version',
      ),
    ),
  },
  routes: {about: 'routes from domain and path to a service', read: readRoutes},
} as const

/** Top-level keys that start so are free: a place for YAML anchors. */
export const freeKeyPrefix = 'x-'
