// A registry of images that has none (OCI distribution specification, “Pull”): `node no-images.ts PORT`. Runs on a host until it is ended.
import {createServer} from 'node:http'

createServer((request, response) => {
  response.statusCode = request.url === '/v2/' ? 200 : 404
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(response.statusCode === 200 ? {} : {errors: [{code: 'MANIFEST_UNKNOWN', message: 'manifest unknown'}]}))
}).listen(Number(process.argv[2]), '127.0.0.1', () => process.stdout.write('listening\n'))
