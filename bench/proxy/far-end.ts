// The far end of tunnels, a program of its own: `far-end.ts PORT`. A connection's first line says what it does: `down BYTES` sends that many, `up BYTES` takes
// that many and says so, `echo` sends everything back.
import {createServer, type Socket} from 'node:net'

const piece = Buffer.alloc(262_144, 'x')

const send = (socket: Socket, bytes: number): void => {
  let left = bytes
  const more = (): void => {
    while (left > 0) {
      const length = Math.min(left, piece.length)
      left -= length
      if (!socket.write(length === piece.length ? piece : piece.subarray(0, length))) return
    }
  }
  socket.on('drain', more)
  more()
}

const serve = (socket: Socket): void => {
  let first = ''
  let left = 0
  const take = (length: number): void => {
    left -= length
    if (left === 0) socket.write('done\n')
  }
  let handle = (bytes: Buffer): void => {
    first += bytes.toString('latin1')
    const end = first.indexOf('\n')
    if (end < 0) return
    const [what, amount] = first.slice(0, end).split(' ')
    if (what === 'echo') {
      handle = more => void socket.write(more)
      if (first.length > end + 1) socket.write(first.slice(end + 1), 'latin1')
    } else if (what === 'down') send(socket, Number(amount))
    else {
      left = Number(amount)
      handle = ({length}) => take(length)
      if (first.length > end + 1) take(first.length - end - 1)
    }
  }
  socket.on('data', bytes => handle(bytes))
  socket.on('error', () => socket.destroy())
}

createServer({noDelay: true, highWaterMark: 262_144}, serve).listen(Number(process.argv[2]), '127.0.0.1')
