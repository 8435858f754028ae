// Every environment variable the project reads, as one list. Composition roots read them through here; nothing else touches `process.env`.

export const variables = {
  GILLIAM_STAGE: 'Name of the stage; `local` by default',
  GILLIAM_TABLE: 'DynamoDB table of the stage; `gilliam-<stage>` by default',
  GILLIAM_DYNAMODB_ENDPOINT: 'A DynamoDB-compatible endpoint to use instead of the embedded one',
  GILLIAM_HOME: 'Folder of a local stage’s state',
  GILLIAM_API: 'URL of the control plane',
  GILLIAM_TOKEN: 'Bearer token for the control plane',
  GILLIAM_TOKEN_FILE: 'File that holds the bearer token, instead of GILLIAM_TOKEN',
  GILLIAM_ID_TOKEN: 'OpenID Connect id token of a CI job, for `gilliam login --ci`',
  GILLIAM_JOIN_TOKEN_FILE: 'File that holds an agent’s join token',
  GILLIAM_JOIN: 'How an agent joins: `token` (default), or `role` for one that proves who it is by its role on AWS',
  GILLIAM_PROVER: 'Unix socket that answers with proofs of the machine’s role, for an agent that is kept from its metadata',
  GILLIAM_JOIN_ROLES:
    'Roles that may join the stage: `ACCOUNT/ROLE` of EC2 machines, `ACCOUNT/ROLE:EXECUTOR` of one executor’s own; with commas between',
  GILLIAM_EXECUTOR: 'Id of the executor an agent serves',
  GILLIAM_EXECUTOR_HOST: 'Address at which callers reach the executor’s instances; 127.0.0.1 by default',
  GILLIAM_EXECUTOR_ATTRIBUTES: 'JSON: zone, domain, network, tags, labels, cpuMilli, memoryMib, pricePerHour, machineType of the executor',
  GILLIAM_AGENT_HOME: 'Folder of an agent’s state: credential, instances, slugs, logs',
  GILLIAM_AGENT_VERSIONS: 'Folder of the versions of an agent that came by upgrades; its launcher sets it',
  GILLIAM_PROXY: 'URL of the forward proxy that instances get as HTTP_PROXY',
  GILLIAM_RUNTIMES: 'What an agent runs instances by: `process` (default), `docker`, or both with a comma between',
  GILLIAM_DOCKER_SOCKET: 'Socket of the Docker engine; `/var/run/docker.sock` by default',
  GILLIAM_DOCKER_NETWORK:
    'Network of containers: the engine’s own `bridge` (default), or one the agent makes, in which they reach each other by published ports only',
  GILLIAM_STACK_IMAGE: 'Image in whose containers projects run; without one they are processes',
  GILLIAM_REGISTRY_CREDENTIALS: 'File with credentials of image registries, in the form of Docker’s `config.json`',
  GILLIAM_UNUSED_BYTES_MAX:
    'What nobody uses any more may take on disk: images, slugs, logs of ended instances; in bytes, a tenth of the disk by default',
  GILLIAM_PROXY_BRIDGE:
    'Network interface on whose address a proxy of the loopback listens too, for containers: `docker0`; none by default',
  GILLIAM_FARGATE: 'JSON, for the agent of a Fargate executor: cluster, subnets, securityGroups, executionRole, logGroup and more',
  GILLIAM_RELAY: 'WebSocket URL of the relay of one-off work and live logs; by default one that a proxy of the stage announces',
  GILLIAM_NOTICE_FILE: 'A file whose being there tells an agent that its machine is to go; it may say when, as an ISO 8601 time',
  GILLIAM_NOTICES: 'Where else an agent looks for such notices: `ec2` for the machine’s metadata; so does one that joins by its role',
  GILLIAM_PORT_RANGE: 'Host ports an agent gives to instances: `FIRST-LAST`; 20000-29999 by default',
  GILLIAM_LIMITS:
    'What an agent holds processes to, with commas between: `memory`, `pids`, `files`, `cpu` (a quota; without it CPU is a share); `memory,pids,files` by default',
  GILLIAM_RUN_AS: 'Whom an agent that is root runs processes as: `UID:GID`; as itself by default',
  GILLIAM_SNAPSHOT: 'File in which router or proxy keeps its last good table',
  GILLIAM_WORKERS: 'How many processes of a router or proxy take requests; by default 1, and 2 for a router with more than one processor',
  GILLIAM_RELOAD_DRAIN_MS: 'How long a worker that a reload replaced may finish what it has in flight, in milliseconds; 600000 by default',
  GILLIAM_ZONE: 'Zone of the executor an instance runs on; router and proxy take instances of their own zone first',
  GILLIAM_PROXY_OUTSIDE: 'Whether the proxy passes requests for ordinary hosts: `allow` (default) or `forbid`',
  GILLIAM_ACCESS_LOG: 'Which requests router and proxy log: `off`, `errors`, `sample` (default: errors and 1 % of the rest) or `all`',
  GILLIAM_TRACES_SAMPLED: 'Share, 0 to 1, of the traces that begin at router or proxy that are marked as recorded; 1 by default',
  GILLIAM_LOG_LEVEL: 'pino level; `info` by default',
  GILLIAM_CONFIG: 'Folder of the CLI’s configuration; `$XDG_CONFIG_HOME/gilliam` by default',
  GILLIAM_SYNC_BUSY_MS: 'How soon an agent with work in flight syncs again; 1000 by default',
  GILLIAM_POLL_MS: 'How soon router and proxy ask for changes again while there are some, on AWS; 2000 by default',
  GILLIAM_POLL_IDLE_MS: 'How soon they do when there was none for long, on AWS; instances drain for longer than this; 10000 by default',
  GILLIAM_SYNC_URL: 'Address at which agents may sync instead of the API, on AWS: a function URL',
  GILLIAM_SLUG_BUCKET: 'S3 bucket of the slugs, and of the dumps of backups',
  GILLIAM_LOG_GROUP: 'CloudWatch log group of what instances write',
  GILLIAM_WAKE_QUEUE: 'URL of the SQS queue that brings the reconciler its ticks and wake-ups',
  GILLIAM_MACHINE_GROUP: 'Auto Scaling group of the stage’s machines, grown and shrunk by the capacity function',
  GILLIAM_SECRET_KEY: 'KMS key that seals the secrets of formations',
  GILLIAM_TOKEN_PATH: 'SSM path below which the stage’s first tokens are kept',
  GILLIAM_SYNC_IDLE_MS: 'How soon an agent syncs again when nothing changed for long, at most 20000; on AWS 20000 by default',
} as const

export type Variable = keyof typeof variables
export type Environment = Readonly<Record<string, string | undefined>>

/** The variable’s value, or `fallback`; an empty string counts as unset. */
export const read = (env: Environment, name: Variable, fallback = ''): string => {
  const value = env[name]
  return value === undefined || value === '' ? fallback : value
}

/** The variable’s value; throws an error that names the variable and what it is for when it is unset. */
export const required = (env: Environment, name: Variable): string => {
  const value = read(env, name)
  if (value === '') throw new Error(`${name} is not set (${variables[name]})`)
  return value
}

/** A whole number of at least `min`; throws an error that names the variable when it is something else. */
export const readNumber = (env: Environment, name: Variable, fallback: number, min = 0): number => {
  const text = read(env, name, String(fallback))
  const value = Number(text)
  if (!Number.isInteger(value) || value < min)
    throw new Error(`${name} must be a whole number of at least ${min}, not “${text}” (${variables[name]})`)
  return value
}

/** A number from 0 to 1; throws an error that names the variable when it is something else. */
export const readShare = (env: Environment, name: Variable, fallback: number): number => {
  const text = read(env, name, String(fallback))
  const value = Number(text)
  if (!(value >= 0 && value <= 1)) throw new Error(`${name} must be a number from 0 to 1, not “${text}” (${variables[name]})`)
  return value
}
