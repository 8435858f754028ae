// Images of the built-in types for engines without a registry: the programs that are installed here and the libraries they are linked to, laid out as the
// official images are, with entry points that do what theirs do (read in their sources, November 2026). Not the official images themselves.
import {execFileSync} from 'node:child_process'
import {globSync, readFileSync, realpathSync, statSync} from 'node:fs'
import {basename, dirname, join} from 'node:path'
import {type Pack, pack} from 'tar-stream'
import {pathWith} from '#agent/programs.ts'
import type {Engine} from '#test/docker/engine.ts'

const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const postgresFolders = '/usr/lib/postgresql/*/bin'

const shellPrograms = [
  'sh',
  'cat',
  'chmod',
  'chown',
  'echo',
  'find',
  'grep',
  'id',
  'kill',
  'mkdir',
  'mktemp',
  'printf',
  'rm',
  'sleep',
  'tr',
  'env',
  'test',
]

interface Contents {
  readonly programs: readonly string[]
  /** Files as they are here, patterns too. */
  readonly files?: readonly string[]
  /** Name and number of the user that it has. */
  readonly user?: readonly [string, number]
  readonly entrypoint?: string
  /** Whether it has a `gosu`, made of setpriv. */
  readonly gosu?: true
  /** Instructions of a Dockerfile. */
  readonly changes: readonly string[]
}

const located = (name: string): string => execFileSync('which', [name], {encoding: 'utf8', env: {PATH: path}}).trim()

/** What a dynamically linked file wants to be loaded; nothing for other files. */
const librariesOf = (file: string): readonly string[] => {
  try {
    const text = execFileSync('ldd', [file], {encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore']})
    return [...text.matchAll(/(\/\S+) \(0x/g)].map(([, library = '']) => library)
  } catch {
    return []
  }
}

const put = (archive: Pack, place: string, content: Buffer | string, mode: number): void =>
  void archive.entry({name: place.replace(/^\//, ''), mode}, content)

const fill = (archive: Pack, {programs, files = [], user, entrypoint, gosu}: Contents): void => {
  if (entrypoint !== undefined) {
    put(archive, 'bin/busybox', readFileSync(located('busybox')), 0o755)
    for (const name of shellPrograms) archive.entry({name: `bin/${name}`, type: 'symlink', linkname: 'busybox'})
    archive.entry({name: 'tmp/', type: 'directory', mode: 0o1777})
    put(archive, 'usr/local/bin/docker-entrypoint.sh', `#!/bin/sh\nset -e\n${entrypoint}`, 0o755)
  }
  if (gosu)
    put(
      archive,
      'usr/local/bin/gosu',
      '#!/bin/sh\nu=$1; shift; exec /usr/local/bin/setpriv --reuid "$u" --regid "$u" --clear-groups "$@"\n',
      0o755,
    )
  if (user !== undefined) {
    put(archive, 'etc/passwd', `root:x:0:0:root:/:/bin/sh\n${user[0]}:x:${user[1]}:${user[1]}:${user[0]}:/:/bin/sh\n`, 0o644)
    put(archive, 'etc/group', `root:x:0:\n${user[0]}:x:${user[1]}:\n`, 0o644)
  }
  const wanted = new Map(programs.map(program => [`/usr/local/bin/${basename(program)}`, program]))
  for (const file of globSync([...files], {withFileTypes: false})) if (statSync(file).isFile()) wanted.set(file, file)
  const libraries = new Set([...wanted.values()].flatMap(librariesOf))
  for (const library of libraries) wanted.set(library, realpathSync(library))
  for (const [place, file] of wanted) put(archive, place, readFileSync(file), statSync(file).mode & 0o777)
  archive.finalize()
}

/** Root gives the data to the program's own user, and becomes it for good; protected mode is off in the image by a change of its source. */
const redis = (): Contents => ({
  programs: [located('redis-server'), located('redis-cli'), located('setpriv')],
  user: ['redis', 999],
  entrypoint: `if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
  find . ! -user redis -exec chown redis {} +
  exec /usr/local/bin/setpriv --reuid redis --regid redis --clear-groups --nnp --inh-caps=-all --ambient-caps=-all --bounding-set=-all "$0" "$@"
fi
exec "$@" --protected-mode no
`,
  changes: ['WORKDIR /data', 'VOLUME /data', 'ENTRYPOINT ["docker-entrypoint.sh"]', 'CMD ["redis-server"]'],
})

/** No shell. */
const etcd = (): Contents => ({
  programs: [located('etcd'), located('etcdctl')],
  changes: ['WORKDIR /var/lib/etcd', 'CMD ["/usr/local/bin/etcd"]'],
})

/** Root makes the folder and becomes postgres; a server that listens to nobody makes the database first. */
const postgres = (): Contents => {
  const [bin = ''] = (pathWith({name: 'postgres', also: postgresFolders}, '') ?? '').split(':')
  const version = basename(dirname(bin))
  return {
    programs: [located('setpriv')],
    files: [
      ...['postgres', 'initdb', 'pg_ctl', 'psql', 'pg_dump', 'pg_isready', 'pg_restore'].map(name => join(bin, name)),
      ...['plpgsql', 'dict_snowball'].map(name => join(bin, '../lib', `${name}.so`)),
      `/usr/share/postgresql/${version}/*`,
      `/usr/share/postgresql/${version}/{timezonesets,tsearch_data,extension}/{*.stop,*.rules,*.affix,*.dict,plpgsql*,Default,UTC*}`,
    ],
    user: ['postgres', 70],
    gosu: true,
    entrypoint: `if [ "$1" = postgres ] && [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA"; chown -R postgres "$PGDATA"; chmod 700 "$PGDATA"
  exec gosu postgres "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  [ -n "$POSTGRES_PASSWORD" ] || { echo 'Error: Database is uninitialized and superuser password is not specified.' >&2; exit 1; }
  printf '%s\\n' "$POSTGRES_PASSWORD" > /tmp/pw
  initdb -D "$PGDATA" --username="$POSTGRES_USER" --pwfile=/tmp/pw
  rm /tmp/pw
  pg_ctl -D "$PGDATA" -o "-c listen_addresses='' -k /tmp" -w start
  if [ "$POSTGRES_DB" != postgres ]; then echo "CREATE DATABASE \\"$POSTGRES_DB\\"" | psql -h /tmp -U "$POSTGRES_USER" postgres; fi
  pg_ctl -D "$PGDATA" -m fast -w stop
  echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
fi
exec "$@" -c listen_addresses='*' -k /tmp
`,
    changes: [
      `ENV PATH=${path}:${bin} PGDATA=/var/lib/postgresql/data`,
      'VOLUME /var/lib/postgresql/data',
      'ENTRYPOINT ["docker-entrypoint.sh"]',
      'CMD ["postgres"]',
    ],
  }
}

const plain = 'exec "$@"\n'

const memcached = (): Contents => ({
  programs: [located('memcached')],
  user: ['memcache', 11_211],
  entrypoint: plain,
  changes: ['USER memcache', 'ENTRYPOINT ["docker-entrypoint.sh"]', 'CMD ["memcached"]'],
})

const nats = (): Contents => ({
  programs: [located('nats-server')],
  entrypoint: plain,
  changes: ['ENTRYPOINT ["docker-entrypoint.sh"]', 'CMD ["nats-server", "--config", "/etc/nats/nats-server.conf"]'],
})

const contents = {redis, etcd, postgres, memcached, nats} as const

/** No registry answers there, so an engine's own image of that name is taken. */
export const imageName = (type: string): string => `127.0.0.1:1/gilliam-test/${type}:1`

/** Makes all of them on the engine. */
export const importImages = async ({api}: Pick<Engine, 'api'>): Promise<void> => {
  for (const [type, of] of Object.entries(contents)) {
    const archive = pack()
    const content = of()
    fill(archive, content)
    const name = imageName(type)
    const query = {fromSrc: '-', repo: name.slice(0, -2), tag: '1', changes: content.changes.join('\n')}
    const answer = await api.stream('POST', '/images/create', {query, headers: {'content-type': 'application/x-tar'}, body: archive})
    let said = ''
    for await (const chunk of answer) said += chunk
    if (/"error/.test(said)) throw new Error(`no image of ${type}: ${said}`)
  }
}
