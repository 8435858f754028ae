// Listens on every port of a range that it can get, and answers as a stranger: `node occupy.ts ADDRESS FIRST LAST`. Runs on a host until it is ended.
import {createServer} from 'node:http'

const [address = '', first = '', last = ''] = process.argv.slice(2)
for (let port = Number(first); port <= Number(last); port++)
  createServer((_, response) => response.end('a stranger'))
    // Taken already: somebody else's.
    .on('error', () => undefined)
    .listen({host: address, port, exclusive: true})
setTimeout(() => process.stdout.write('listening\n'), 200)
