// A service that requires one of each built-in type, and speaks to it over its own protocol at the address that it was given: it knows nothing else of them.
// `GET /SERVICE/set?v=…` writes a value, `get` reads it, `limit` reads what a parameter set. Runs alone: imports nothing of the project.
import {execFile} from 'node:child_process'
import {createServer} from 'node:http'
import {connect} from 'node:net'

const timeoutMs = 5_000
const given = (name: string): string => process.env[name] ?? ''

/** Sends `text`, and answers what comes back as soon as it fits. */
const talk = (address: string, text: string, until: RegExp): Promise<string> =>
  new Promise((resolve, reject) => {
    const {hostname, port} = new URL(`tcp://${address}`)
    const socket = connect({host: hostname, port: Number(port)})
    let heard = ''
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`nothing that fits: ${heard}`)))
    socket.setEncoding('utf8').on('data', (more: string) => {
      heard += more
      if (!until.test(heard)) return
      resolve(heard)
      socket.destroy()
    })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`ended after: ${heard}`)))
    socket.write(text)
  })

const withoutScheme = (url: string): string => url.replace(/^[a-z]+:\/\//, '')

const redis = async (what: string, value: string): Promise<string> => {
  const at = withoutScheme(given('CACHE_URL'))
  if (what === 'set') return talk(at, `SET kept ${value}\r\n`, /\+OK\r\n/)
  if (what === 'get') return talk(at, 'GET kept\r\n', /^\$-1|\n.*\r\n/)
  return talk(at, 'CONFIG GET maxmemory\r\n', /\r\n\d+\r\n$/)
}

const memcached = async (what: string, value: string): Promise<string> => {
  const at = given('SLABS_SERVERS')
  if (what === 'set') return talk(at, `set kept 0 0 ${value.length}\r\n${value}\r\n`, /STORED\r\n/)
  return what === 'get' ? talk(at, 'get kept\r\n', /END\r\n/) : talk(at, 'stats settings\r\n', /END\r\n/)
}

/** A request of NATS's client protocol: https://docs.nats.io/reference/reference-protocols/nats-protocol */
const request = (subject: string, body: string): Promise<string> =>
  talk(
    withoutScheme(given('BUS_URL')),
    `CONNECT {"verbose":false}\r\nSUB answers 1\r\nPUB ${subject} answers ${Buffer.byteLength(body)}\r\n${body}\r\n`,
    /MSG answers 1 .*\r\n.*\r\n/,
  )

const nats = async (what: string, value: string): Promise<string> => {
  if (what === 'limit') return request('answers', 'to oneself')
  if (what === 'get') return request('$JS.API.STREAM.MSG.GET.kept', '{"last_by_subj":"kept.one"}')
  await request('$JS.API.STREAM.CREATE.kept', '{"name":"kept","subjects":["kept.*"]}')
  return request('kept.one', value)
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')

const etcd = async (what: string, value: string): Promise<string> => {
  const post = async (path: string, body: unknown) =>
    (await fetch(`${given('CONFIG_URL')}${path}`, {method: 'POST', body: JSON.stringify(body)})).text()
  if (what === 'set') return post('/v3/kv/put', {key: base64('kept'), value: base64(value)})
  if (what === 'get') return atob((JSON.parse(await post('/v3/kv/range', {key: base64('kept')})).kvs ?? [{value: ''}])[0].value)
  return (await fetch(`${given('CONFIG_URL')}/metrics`)).text()
}

const postgres = (what: string, value: string): Promise<string> => {
  const {hostname, port, username, password, pathname} = new URL(given('DB_URL'))
  const env = {PATH: given('PATH'), PGHOST: hostname, PGPORT: port, PGUSER: username, PGDATABASE: pathname.slice(1)}
  const set = `CREATE TABLE IF NOT EXISTS kept (v text); TRUNCATE kept; INSERT INTO kept VALUES ('${value}')`
  const statement = what === 'set' ? set : what === 'get' ? 'SELECT v FROM kept' : 'SELECT current_user, current_database()'
  return new Promise((resolve, reject) =>
    execFile('psql', ['-XqtA', '-c', statement], {env: {...env, PGPASSWORD: decodeURIComponent(password)}}, (error, stdout) =>
      error === null ? resolve(stdout) : reject(error),
    ),
  )
}

const services = new Map(Object.entries({redis, etcd, postgres, memcached, nats}))

createServer((asked, answer) => {
  const {pathname, searchParams} = new URL(asked.url ?? '/', 'http://localhost')
  const [, service = '', what = ''] = pathname.split('/')
  const ask = services.get(service)
  const answering = ask === undefined ? Promise.reject(new Error('no such service')) : ask(what, searchParams.get('v') ?? '')
  answering.then(
    text => answer.end(text),
    (error: Error) => answer.writeHead(500).end(error.message),
  )
}).listen(Number(given('PORT')), given('HOST'))
