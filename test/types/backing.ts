// One of each built-in type and a service that requires them all, deployed on a stage, and what every one of them must show, whatever runs it.
import assert from 'node:assert/strict'
import {copyFileSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {isOnPath, pathWith} from '#agent/programs.ts'
import {builtinTypes} from '#shared/types/builtin.ts'
import {type Stage, until} from '#test/platform/stage.ts'

const path = process.env.PATH ?? ''

/** Why these tests can not run here; false when they can. */
export const backingMissing = (): string | false => {
  const programs = ['redis-server', 'redis-cli', 'etcd', 'etcdctl', 'memcached', 'nats-server', 'psql']
  const missing = programs.filter(name => !isOnPath(name, `${path}:/usr/sbin`))
  if (pathWith({name: 'postgres', also: '/usr/lib/postgresql/*/bin'}, path) === undefined) missing.push('postgres')
  return missing.length === 0
    ? false
    : `${missing.join(', ')} not installed (Debian: apt-get install redis-server etcd-server etcd-client memcached nats-server postgresql)`
}

/** A password with what shells, SQL and URLs take for their own. */
export const password = `s3cr't $HOME "p/w" %41`

export interface Backing {
  readonly service: string
  readonly type: string
  /** What the manifest says besides the type. */
  readonly more: string
  /** A parameter that it must refuse, and what is said. */
  readonly wrong: string
  readonly refusal: RegExp
  /** Shows in what it answers when asked for its limits. */
  readonly limit: RegExp
  /** Whether it still has its data when it was ended. */
  readonly keeps: boolean
}

export const backings: readonly Backing[] = [
  {
    service: '_cache',
    type: 'redis',
    more: 'volume: true, parameters: {maxmemory: 3mb}',
    wrong: '{maxmemory: lots}',
    refusal: /“maxmemory” \(what it keeps at most.*must match/,
    limit: /^3145728\r$/m,
    keeps: true,
  },
  {
    service: '_config',
    type: 'etcd',
    more: "parameters: {quota: '16777216'}",
    wrong: "{quota: '16M'}",
    refusal: /“quota” \(bytes of its database at most\) must match/,
    limit: /^etcd_server_quota_backend_bytes 1\.6777216e\+07$/m,
    keeps: true,
  },
  {
    service: '_db',
    type: 'postgres',
    more: "parameters: {password: 'secret://db', user: shop, database: goods}",
    wrong: "{password: x, user: 'Robert\"; DROP TABLE students'}",
    refusal: /“user” \(who owns the database\) must match/,
    limit: /^shop\|goods$/m,
    keeps: true,
  },
  {
    service: '_slabs',
    type: 'memcached',
    more: "parameters: {memory: '7'}",
    wrong: '{memory: 7M}',
    refusal: /“memory” \(MiB it keeps at most\) must match/,
    limit: /^STAT maxbytes 7340032\r$/m,
    keeps: false,
  },
  {
    service: '_bus',
    type: 'nats',
    more: 'volume: true',
    wrong: '{memory: 1M}',
    refusal: /type nats has no parameter “memory”; it has none/,
    limit: /^to oneself\r$/m,
    keeps: true,
  },
]

const small = 'resources: {cpu: 0.05, memory: 64M}'

const manifestOf = (formation: string): string => `formation: ${formation}
auxiliary:
${backings.map(({service, type, more}) => `  ${service}: {type: ${type}, ${small}, ${more}}`).join('\n')}
processes:
  asker: {script: exec node asker.ts, ports: [80], ${small}, requires: [${backings.map(({service}) => service).join(', ')}]}
`

/** Makes the project and deploys it. `types`: files of its own folder of types. */
export const deployBacking = async (stage: Stage, formation: string, types: Readonly<Record<string, string>> = {}): Promise<string> => {
  const folder = join(stage.folder, formation)
  mkdirSync(folder)
  copyFileSync(fileURLToPath(new URL('asker.ts', import.meta.url)), join(folder, 'asker.ts'))
  writeFileSync(join(folder, 'gilliam.yml'), manifestOf(formation))
  if (Object.keys(types).length > 0) mkdirSync(join(folder, 'types'))
  for (const [name, text] of Object.entries(types)) writeFileSync(join(folder, 'types', name), text)
  writeFileSync(join(stage.folder, 'password'), password)
  await stage.must(['create', formation], folder)
  await stage.must(['secret', 'set', 'db', '--file', join(stage.folder, 'password')], folder)
  await stage.must(['deploy'], folder)
  return folder
}

/** What a service answered the one that requires it. */
export const ask = async (stage: Stage, formation: string, type: string, what: string): Promise<string> => {
  const {status, text} = await stage.through(`http://asker.${formation}.service/${type}/${what}`)
  assert.equal(status, 200, `${type} ${what}: ${text}`)
  return text
}

/** Asks until it answers what fits: it was ended a moment ago. */
export const askUntil = (stage: Stage, formation: string, type: string, what: string, fits: RegExp): Promise<unknown> =>
  until(`${type} to answer ${fits}`, async () => {
    const {status, text} = await stage.through(`http://asker.${formation}.service/${type}/${what}`)
    return status === 200 && fits.test(text)
  })

/** Each is written to, and has its parameters. */
export const speakToAll = async (stage: Stage, formation: string): Promise<void> => {
  for (const {type, limit} of backings) {
    await ask(stage, formation, type, 'set?v=green')
    assert.match(await ask(stage, formation, type, 'limit'), limit, type)
  }
}

/** What they have after `end` ended all of their processes at once. JetStream answers in Base64. */
export const surviveAll = async (stage: Stage, formation: string, end: () => Promise<void>): Promise<void> => {
  const green = new RegExp(`green|${btoa('green')}`)
  for (const {type} of backings) assert.match(await ask(stage, formation, type, 'get'), green, type)
  await end()
  for (const {type, keeps} of backings) await askUntil(stage, formation, type, 'get', keeps ? green : /^END\r\n$/)
}

/** A backup brings back what was there, is found good where nobody is served, and a bad one is told and does no harm. */
export const backUp = async (stage: Stage, formation: string, {service, type}: Pick<Backing, 'service' | 'type'>, good: RegExp) => {
  const backup = (...args: string[]) => stage.gilliam(['backup', ...args, '-f', formation])
  const made = await until('the relay', async () => {
    const {code, stdout} = await backup('create', service)
    return code === 0 && stdout.trim()
  })
  await ask(stage, formation, type, 'set?v=red')
  const restored = await backup('restore', service, made, '--yes')
  assert.equal(restored.code, 0, restored.stderr)
  await askUntil(stage, formation, type, 'get', /green/)
  const checked = await backup('verify', service, made)
  assert.equal(checked.code, 0, checked.stderr)
  assert.match(checked.stderr, good)
}

/** What the type's own commands make of the first half of a dump: they fail, and the data stays. */
export const refuseBad = async (stage: Stage, formation: string, {service, type}: Pick<Backing, 'service' | 'type'>) => {
  const {dump = '', restore = '', verify = ''} = builtinTypes().get(type)?.type.backup ?? {}
  const [instance] = await stage.running(formation, service)
  const half = `set -e; f=$(mktemp); (${dump}) > "$f"; head -c $(($(wc -c < "$f") / 2)) "$f"; rm "$f"`
  for (const command of [restore, verify]) {
    const line = ['sh', '-c', 'sh -c "$1" | sh -c "$2"', 'sh', half, command]
    const {code, stderr} = await stage.gilliam(['exec', '-f', formation, instance?.name ?? '', '--', ...line])
    assert.equal(code, 1, `${type}: ${stderr}`)
  }
  assert.match(await ask(stage, formation, type, 'get'), /green/)
}

/** Where the password must not be seen: everybody's view of processes, listings, and all that the stage logs. */
export const seenByOthers = async (stage: Stage, formation: string): Promise<string> => {
  const listings = [['ps'], ['env'], ['release', 'show', 'latest'], ['audit']]
  const shown = await Promise.all(listings.map(async args => (await stage.must([...args, '-f', formation, '--json'])).stdout))
  const logs = (await stage.must(['logs', '--formation', formation])).stdout
  const own = stage.processes().map(({command}) => command)
  return [...shown, logs, ...own, readFileSync(join(stage.home, 'control-plane.log'), 'utf8')].join('\n')
}
