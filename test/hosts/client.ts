// A client on a host of its own: asks one URL again and again, and tells what became of it. Runs as a program there; `Client` starts and asks it.
//
//   node client.ts URL HOST EVERY_MS      a JSON line per answer on standard output, until it is ended
import {request} from 'node:http'
import {setTimeout as sleep} from 'node:timers/promises'

export interface Asked {
  /** Milliseconds since the epoch when it was asked. */
  readonly at: number
  /** 0 without an answer. */
  readonly status: number
  readonly text: string
  readonly tookMs: number
}

const answerMsMax = 10_000
const textCharsMax = 200

/** One GET on a connection of its own. */
const ask = (url: string, host: string): Promise<Asked> =>
  new Promise(resolve => {
    const at = Date.now()
    const done = (status: number, text: string) => resolve({at, status, text: text.slice(0, textCharsMax), tookMs: Date.now() - at})
    const asking = request(url, {headers: {host}, agent: false, timeout: answerMsMax}, response => {
      let text = ''
      response.setEncoding('utf8').on('data', chunk => (text += chunk))
      response.on('end', () => done(response.statusCode ?? 0, text))
      response.on('error', error => done(0, error.message))
    })
    asking.on('timeout', () => asking.destroy(new Error('no answer in time')))
    asking.on('error', error => done(0, error.message))
    asking.end()
  })

if (import.meta.main) {
  const [url = '', host = '', everyMs = '100'] = process.argv.slice(2)
  for (;;) {
    // Not one after the other: what hangs must not hide what comes meanwhile.
    void ask(url, host).then(asked => process.stdout.write(`${JSON.stringify(asked)}\n`))
    await sleep(Number(everyMs))
  }
}
