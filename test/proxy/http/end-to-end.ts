// A real router between clients that send any bytes in any pieces and servers: node:http for requests, raw bytes for answers. Compares what came through
// with what our parser makes of the same bytes; throws where they differ.
import {deepStrictEqual, ok} from 'node:assert/strict'
import {createServer as createHttpServer, type IncomingMessage} from 'node:http'
import {type AddressInfo, connect, type Socket} from 'node:net'
import {setImmediate as turn} from 'node:timers/promises'
import {nextBody, startParrot} from '#bench/corpus/upstreams.ts'
import {readTarget} from '#proxy/request-target.ts'
import {type Closer, entry, type Plane, startRouter} from '../rig.ts'
import {connectionReads, type Heard, inPieces} from './pieces.ts'
import {readResponse} from './read.ts'

const patienceMs = 20_000

const routed = async (t: Closer, port: number): Promise<Plane> => {
  const {router} = await startRouter(
    t,
    feed => {
      feed.announce('crm', entry('users', 'a1', port))
      feed.route(['*', '/{rest:.*}', 'users.crm.service/{rest}'])
    },
    {accessLog: 'off'},
  )
  return router
}

/** The statuses of final answers, in order. */
const statusesOf = (text: string): readonly string[] =>
  [...text.matchAll(/^HTTP\/1\.[01] ([2-5][0-9]{2})\b/gm)].map(([, status]) => status ?? '')

const shown = (bytes: Buffer): string => JSON.stringify(bytes.toString('latin1'))

/** Sends pieces, and listens until the other side ends the connection; our own side is closed once `enough` has been heard. */
const converse = (port: number, pieces: readonly Buffer[], enough: (text: string) => boolean): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = ''
    let isEnded = false
    let isSent = false
    const socket: Socket = connect({port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true})
    const late = setTimeout(() => {
      socket.destroy()
      reject(new Error(`the router does not end the connection; heard: ${JSON.stringify(text)}`))
    }, patienceMs)
    const look = (): void => {
      if (isEnded || !isSent || !enough(text)) return
      isEnded = true
      socket.end()
    }
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
      look()
    })
    socket.on('end', () => socket.destroy())
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(late)
      resolve(text)
    })
    const send = async (): Promise<void> => {
      for (const piece of pieces) {
        if (socket.destroyed) return
        socket.write(piece)
        await turn()
      }
      isSent = true
      look()
    }
    socket.on('connect', () => void send())
  })

interface Arrived {
  readonly method: string
  readonly body: string
}

/** The router answers the others itself. */
const isForwarded = ({method, target, host}: Heard): boolean =>
  method !== 'CONNECT' && readTarget(target, host === undefined ? [] : [host]).ok

/** Sends requests through a router. */
export interface RequestRig {
  /** Throws unless the instance got exactly the sound requests that are in the bytes, body by body, and the client an answer to each. */
  readonly check: (bytes: Buffer, cuts: readonly number[]) => Promise<'accepted' | 'refused' | 'incomplete'>
}

export const startRequestRig = async (t: Closer): Promise<RequestRig> => {
  let arrived: Arrived[] = []
  let faults: string[] = []
  const server = createHttpServer(async (request: IncomingMessage, response) => {
    const content: Buffer[] = []
    request.on('error', () => undefined)
    request.on('data', chunk => content.push(chunk))
    request.on('end', () => {
      arrived.push({method: request.method ?? '', body: Buffer.concat(content).toString('latin1')})
      response.end()
    })
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // A request that is broken off is not one that can not be read.
    if (error.code !== 'ECONNRESET' && error.code !== 'HPE_INVALID_EOF_STATE') faults.push(error.code ?? error.message)
    socket.destroy()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const router = await routed(t, (server.address() as AddressInfo).port)
  const check: RequestRig['check'] = async (bytes, cuts) => {
    arrived = []
    faults = []
    const {seen, refused} = connectionReads([bytes], isForwarded)
    // A malformed line that does not end is refused only when it has taken too long: it is not waited for.
    const cut = inPieces(bytes, cuts)
    const pieces = cut.at(-1)?.includes('\n') === true ? cut : [bytes]
    const heard = await converse(router.port, pieces, text => refused === undefined && statusesOf(text).length >= seen.length)
    const wanted = seen.filter(isForwarded).map(({method, body}) => ({method, body}))
    const told = `${shown(bytes)} cut at ${cuts.join()}: heard ${JSON.stringify(heard)}`
    deepStrictEqual(arrived, wanted, `the instance got other requests than there are in ${told}`)
    deepStrictEqual(faults, [], `the instance could not read what came of ${told}`)
    const statuses = statusesOf(heard)
    ok(statuses.length === seen.length + (refused === undefined ? 0 : 1), `another number of answers than requests: ${told}`)
    if (refused !== undefined) ok(/^4(?:00|13)$/.test(statuses.at(-1) ?? ''), `a malformed request was not refused: ${told}`)
    return refused !== undefined ? 'refused' : seen.length > 0 ? 'accepted' : 'incomplete'
  }
  return {check}
}

/** Answers requests through a router. */
export interface AnswerRig {
  /** Throws unless the client gets the sound answer that is in the bytes, or none; and unless the next request gets its own. */
  readonly check: (bytes: Buffer, cuts: readonly number[], method: string) => Promise<'accepted' | 'refused' | 'incomplete'>
}

/** As upstream-connection.ts has it. */
const interimAnswersMax = 16
const isWholeAnswer = (text: string, method: string): boolean => {
  const {seen, refused} = readResponse(Buffer.from(text, 'latin1'), method)
  return seen.length > 0 || refused !== undefined
}

export const startAnswerRig = async (t: Closer): Promise<AnswerRig> => {
  const parrot = await startParrot()
  t.after(parrot.close)
  const router = await routed(t, parrot.port)
  const ask = (method: string, path: string): Promise<string> =>
    converse(router.port, [Buffer.from(`${method} ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`)], text =>
      isWholeAnswer(text, method),
    )
  const check: AnswerRig['check'] = async (bytes, cuts, method) => {
    const {seen, refused} = readResponse(bytes, method)
    const [sound] = seen
    parrot.say({pieces: inPieces(bytes, cuts), ends: sound === undefined})
    const heard = await ask(method, '/one')
    const told = `${shown(bytes)} cut at ${cuts.join()} for ${method}: heard ${JSON.stringify(heard)}`
    const got = readResponse(Buffer.from(heard, 'latin1'), method)
    const isOwn = /^HTTP\/1\.1 50[0-9] .*\r\ncontent-type: application\/problem\+json\r\n/s.test(heard)
    ok(got.refused === undefined, `the client got what is no answer: ${told}`)
    // Settled: how many interim answers are too many is for the connection to count, not for the parser.
    const isFlood = (bytes.toString('latin1').match(/^HTTP\/1\.[01] 1/gm)?.length ?? 0) > interimAnswersMax
    if (sound !== undefined && !isFlood)
      deepStrictEqual(
        got.seen.map(({status, body}) => ({status, body})),
        [{status: sound.status, body: sound.body}],
        told,
      )
    else if (sound === undefined && refused !== undefined) ok(isOwn || got.seen.length === 0, `a malformed answer was passed on: ${told}`)
    const next = await ask('GET', '/next')
    ok(
      next.endsWith(`\r\n\r\n${nextBody}`) || /^HTTP\/1\.1 50[23] /.test(next),
      `the next request got another answer than its own: ${told}, then ${JSON.stringify(next)}`,
    )
    return refused !== undefined && sound === undefined ? 'refused' : sound !== undefined ? 'accepted' : 'incomplete'
  }
  return {check}
}
