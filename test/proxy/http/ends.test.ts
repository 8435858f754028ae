// How a process knows a connection of its own from the other side.
import assert from 'node:assert/strict'
import {once} from 'node:events'
import {type AddressInfo, connect, createServer, type Socket} from 'node:net'
import {test} from 'node:test'
import {endsOf} from '#proxy/http/ends.ts'

test('both sides of a connection give it the same name, and no other connection has it', async t => {
  const accepted: Socket[] = []
  const server = createServer(socket => accepted.push(socket)).listen(0, '::')
  t.after(() => server.close())
  await once(server, 'listening')
  const {port} = server.address() as AddressInfo
  const clients = ['127.0.0.1', '127.0.0.2'].map(host => connect({host, port}))
  await Promise.all(clients.map(client => once(client, 'connect')))
  while (accepted.length < 2) await once(server, 'connection')
  t.after(() => [...clients, ...accepted].forEach(socket => void socket.destroy()))
  const callers = clients.map(each => endsOf(each.localAddress, each.localPort, each.remoteAddress, each.remotePort))
  const called = accepted.map(each => endsOf(each.remoteAddress, each.remotePort, each.localAddress, each.localPort))
  assert.deepEqual(called.toSorted(), callers.toSorted())
  assert.equal(new Set(callers).size, 2)
})

test('a port that the kernel gave to two connections makes them no loop', () => {
  const own = endsOf('10.0.0.1', 40_000, '10.0.0.9', 80)
  assert.notEqual(endsOf('10.0.0.1', 40_000, '10.0.0.1', 3_128), own)
})
