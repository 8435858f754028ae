// Listens on those of some ports that it can get, and answers as a stranger: `node occupy.ts ADDRESS PORT…`. Runs on a host until it is ended.
import {createServer} from 'node:http'

const [address = '', ...ports] = process.argv.slice(2)
const listening = ports.map(
  port =>
    new Promise<void>(resolve => {
      createServer((_, response) => response.end('a stranger'))
        // Taken already: somebody else's.
        .once('error', () => resolve())
        .listen({host: address, port: Number(port), exclusive: true}, resolve)
    }),
)
await Promise.all(listening)
process.stdout.write('listening\n')
