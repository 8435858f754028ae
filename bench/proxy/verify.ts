// Checks, before anything is measured, that a forward proxy passes absolute-form requests on, and tells what it does with connections and its log.
import {readFileSync} from 'node:fs'
import {Connection} from '../router/connection.ts'
import {getRequest} from '../router/requests.ts'
import {whichPath} from '../router/upstream.ts'
import type {Candidate} from './candidates.ts'

const requests = 200

const linesOf = (file: string | undefined): number => (file === undefined ? 0 : readFileSync(file, 'latin1').split('\n').length - 1)

/** Sends requests one after the other, over one connection where that is kept; returns what was seen, in words. Throws when one is not answered with 200. */
export const verify = async ({name, port, web, logFile}: Candidate): Promise<string> => {
  const logged = linesOf(logFile)
  const request = getRequest(`http://${web}${whichPath}`, web)
  const upstream = new Set<string>()
  let answered = 0
  let clients = 0
  let connection: Connection | undefined
  while (answered < requests) {
    if (connection?.isOpen !== true) {
      connection = await Connection.open(port)
      clients += 1
    }
    const answer = await connection.get(request).catch((error: Error) => error)
    // A proxy may close a connection that was used, just as the next request goes out.
    if (answer instanceof Error && (connection.isOpen || clients > 2 * requests)) throw answer
    if (answer instanceof Error) continue
    upstream.add(answer.body)
    answered += 1
  }
  connection?.close()
  const log = logFile === undefined ? 'no log' : `${linesOf(logFile) - logged} log lines`
  return `${name}: ${requests} requests for ${web} in turn took ${clients} connections from clients and ${upstream.size} to the upstream, ${log}`
}
