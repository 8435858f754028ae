// Slugs: fetched once, verified, unpacked inside their folder only, kept within a budget.
import assert from 'node:assert/strict'
import {existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync} from 'node:fs'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {type TestContext, test} from 'node:test'
import {gzipSync} from 'node:zlib'
import {type Header, pack} from 'tar-stream'
import {keepWithin} from '#agent/leftovers.ts'
import {Slugs} from '#agent/slugs/slugs.ts'
import {insidePath, unpack} from '#agent/slugs/unpack.ts'
import {slugOf, temporaryFolder} from './fixtures.ts'

const signal = new AbortController().signal

const serve = async (t: TestContext, blobs: Map<string, Buffer>) => {
  let downloads = 0
  const server = createServer((request, response) => {
    downloads += 1
    const blob = blobs.get(request.url?.slice(1) ?? '')
    response.writeHead(blob === undefined ? 404 : 200)
    response.end(blob)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const {port} = server.address() as AddressInfo
  return {locate: async (sha256: string) => `http://127.0.0.1:${port}/${sha256}`, downloads: () => downloads}
}

test('a slug is fetched once, however many instances want it', async t => {
  const {blob, slug} = await slugOf({'a.txt': 'hello', 'deep/b.txt': 'there'})
  const server = await serve(t, new Map([[slug.sha256, blob]]))
  const directory = temporaryFolder(t)
  const slugs = new Slugs({directory, locate: server.locate})
  const folders = await Promise.all([1, 2, 3].map(() => slugs.get(slug, signal)))
  assert.deepEqual([...new Set(folders)], [join(directory, slug.sha256)])
  await slugs.get(slug, signal)
  assert.equal(server.downloads(), 1)
  assert.equal(readFileSync(join(directory, slug.sha256, 'deep/b.txt'), 'utf8'), 'there')
  assert.deepEqual(readdirSync(directory), [slug.sha256])
})

test('a download that is missing, damaged, too long or no archive says so, leaves nothing, and may be tried again', async t => {
  const {blob, slug} = await slugOf({'a.txt': 'hello'})
  const blobs = new Map<string, Buffer>()
  const directory = temporaryFolder(t)
  const slugs = new Slugs({directory, locate: (await serve(t, blobs)).locate})
  const fails = (message: RegExp) => assert.rejects(slugs.get(slug, signal), message)
  await fails(/could not be fetched: the download answered 404/)
  blobs.set(slug.sha256, Buffer.alloc(blob.length))
  await fails(/its content is not what it should be/)
  blobs.set(slug.sha256, Buffer.concat([blob, blob]))
  await fails(/more than the \d+ bytes it should have/)
  assert.deepEqual(readdirSync(directory), [])
  blobs.set(slug.sha256, blob)
  assert.ok(existsSync(await slugs.get(slug, signal)))
})

const archiveOf = async (t: TestContext, entries: (Partial<Header> & {name: string})[]): Promise<{archive: string; folder: string}> => {
  const tar = pack()
  for (const header of entries) tar.entry(header, header.type === undefined ? 'content' : '')
  tar.finalize()
  const chunks: Uint8Array[] = []
  for await (const chunk of tar as AsyncIterable<Uint8Array>) chunks.push(chunk)
  const root = temporaryFolder(t)
  mkdirSync(join(root, 'slug'))
  writeFileSync(join(root, 'slug.tar.gz'), gzipSync(Buffer.concat(chunks)))
  return {archive: join(root, 'slug.tar.gz'), folder: join(root, 'slug')}
}

test('nothing is unpacked outside the folder', async t => {
  const hostile: [RegExp, (Partial<Header> & {name: string})[]][] = [
    [/is outside the slug/, [{name: '../evil'}]],
    [/is outside the slug/, [{name: '/tmp/evil'}]],
    [/is outside the slug/, [{name: 'a/../../evil'}]],
    [/points outside the slug/, [{name: 'link', type: 'symlink', linkname: '/etc'}]],
    [/points outside the slug/, [{name: 'a/link', type: 'symlink', linkname: '../../etc'}]],
    [/points outside the slug/, [{name: 'hard', type: 'link', linkname: '../secret'}]],
    [
      /behind the symbolic link/,
      [
        {name: 'a/self', type: 'symlink', linkname: '.'},
        {name: 'a/self/self2', type: 'symlink', linkname: '../x'},
      ],
    ],
  ]
  for (const [message, entries] of hostile) {
    const {archive, folder} = await archiveOf(t, entries)
    await assert.rejects(unpack(archive, folder, signal), message)
    assert.ok(!existsSync(join(folder, '..', 'evil')))
  }
})

test('files keep being executable, links stay links', async t => {
  const {archive, folder} = await archiveOf(t, [
    {name: 'bin/run', mode: 0o755},
    {name: 'run', type: 'symlink', linkname: 'bin/run'},
    {name: 'empty', type: 'directory'},
  ])
  await unpack(archive, folder, signal)
  assert.equal(lstatSync(join(folder, 'bin/run')).mode & 0o111, 0o111)
  assert.ok(lstatSync(join(folder, 'run')).isSymbolicLink())
  assert.equal(readFileSync(join(folder, 'run'), 'utf8'), 'content')
  assert.deepEqual(readdirSync(join(folder, 'empty')), [])
  assert.equal(insidePath('./a//b/'), 'a/b')
})

test('an archive that breaks off is refused', async t => {
  const {archive, folder} = await archiveOf(t, [{name: 'a'}])
  writeFileSync(archive, readFileSync(archive).subarray(0, 40))
  await assert.rejects(unpack(archive, folder, signal))
})

test('unused slugs beyond the budget go, the longest unused first; used ones stay', async t => {
  const directory = temporaryFolder(t)
  for (const [n, name] of ['old', 'newer', 'used', 'fetching-broken'].entries()) {
    mkdirSync(join(directory, name))
    writeFileSync(join(directory, name, 'content'), 'x'.repeat(100))
    utimesSync(join(directory, name), n, n)
  }
  const slugs = new Slugs({directory, locate: async () => ''})
  await keepWithin(await slugs.unused(new Map([['used', {sha256: 'used', bytes: 1}]])), 150, assert.fail)
  assert.deepEqual(readdirSync(directory).sort(), ['newer', 'used'])
})
