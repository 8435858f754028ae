// Signed URLs over real sockets: what they allow, and that only verified content is ever stored.
import assert from 'node:assert/strict'
import {createHash, randomBytes} from 'node:crypto'
import {mkdtempSync, readdirSync, rmSync, writeFileSync} from 'node:fs'
import {createServer} from 'node:http'
import {type AddressInfo, connect} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {after, test} from 'node:test'
import {openBlobs} from '#local/blobs.ts'
import {createLogger} from '#shared/log.ts'
import {signedUrlMs} from '#shared/ports.ts'

const folder = mkdtempSync(join(tmpdir(), 'gilliam-blobs-'))
let now = 1_000_000
let base = ''
writeFileSync(join(folder, `${'a'.repeat(64)}.cut.part`), 'half an upload')
const blobs = await openBlobs({
  folder,
  secret: 'a secret of the test',
  baseUrl: () => base,
  bytesMax: 100_000,
  now: () => now,
  log: createLogger('test', {level: 'silent'}),
})
const server = createServer((request, response) => {
  if (!blobs.serve(request, response, new URL(request.url ?? '/', base))) response.writeHead(418).end()
})
await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
after(() => {
  server.close()
  server.closeAllConnections()
  rmSync(folder, {recursive: true, force: true})
})

const digest = (content: Buffer) => createHash('sha256').update(content).digest('hex')
const put = (url: string, content: Buffer) => fetch(url, {method: 'PUT', body: new Uint8Array(content)})
const code = async (response: Response) => ((await response.json()) as {code: string}).code

test('an upload that was cut off before the start is gone', () => {
  assert.deepEqual(readdirSync(folder), [])
})

test('stores what fits its digest and gives it back', async () => {
  const content = randomBytes(50_000)
  const sha256 = digest(content)
  assert.equal(await blobs.size(sha256), undefined)
  assert.equal((await put((await blobs.upload(sha256, content.length)).url, content)).status, 200)
  assert.equal(await blobs.size(sha256), content.length)
  const answer = await fetch(await blobs.downloadUrl(sha256))
  assert.equal(answer.status, 200)
  assert.deepEqual(Buffer.from(await answer.arrayBuffer()), content)
  assert.equal((await put((await blobs.upload(sha256, content.length)).url, content)).status, 200, 'uploading it again is harmless')
})

test('stores nothing that does not fit', async () => {
  const content = randomBytes(1_000)
  const sha256 = digest(content)
  const wrong = await put((await blobs.upload(sha256, content.length)).url, randomBytes(1_000))
  assert.equal(wrong.status, 400)
  assert.match(((await wrong.json()) as {detail: string}).detail, /nothing was stored/)
  assert.equal((await put((await blobs.upload(sha256, 1_000)).url, content.subarray(0, 900))).status, 400)
  assert.equal((await put((await blobs.upload(sha256, 900)).url, content)).status, 413)
  assert.equal(await blobs.size(sha256), undefined)
  assert.deepEqual(
    readdirSync(folder).filter(name => name.endsWith('.part')),
    [],
  )
})

test('an upload the client gives up leaves nothing', async () => {
  const sha256 = 'b'.repeat(64)
  const url = new URL((await blobs.upload(sha256, 50_000)).url)
  const socket = connect(Number(url.port), '127.0.0.1')
  socket.write(`PUT ${url.pathname}${url.search} HTTP/1.1\r\nhost: x\r\ncontent-length: 50000\r\n\r\nonly a part`)
  const parts = () => readdirSync(folder).filter(name => name.startsWith(sha256))
  while (parts().length === 0) await new Promise(resolve => setTimeout(resolve, 5))
  socket.destroy()
  while (parts().length > 0) await new Promise(resolve => setTimeout(resolve, 5))
  assert.equal(await blobs.size(sha256), undefined)
})

test('a URL is for one method, one blob and 15 minutes', async () => {
  const content = randomBytes(100)
  const sha256 = digest(content)
  const upload = (await blobs.upload(sha256, 100)).url
  assert.equal((await put(upload, content)).status, 200)
  assert.equal(await code(await fetch(upload)), 'forbidden')
  assert.equal(await code(await fetch((await blobs.downloadUrl(sha256)).replace(sha256, 'c'.repeat(64)))), 'forbidden')
  assert.equal(await code(await fetch(`${base}/blobs/${sha256}`)), 'forbidden')
  assert.equal(await code(await put((await blobs.upload(sha256, 100)).url.replace('bytes=100', 'bytes=999'), content)), 'forbidden')
  const download = await blobs.downloadUrl(sha256)
  now += signedUrlMs + 1
  const late = await fetch(download)
  assert.equal(late.status, 403)
  assert.match(((await late.json()) as {detail: string}).detail, /has ended/)
})

test('answers 404 for what is not stored and leaves other paths alone', async () => {
  assert.equal(await code(await fetch(await blobs.downloadUrl('d'.repeat(64)))), 'not_found')
  assert.equal((await fetch(`${base}/v1/health`)).status, 418)
})
