// A client's HTTP/1.1 connection over a raw socket: one request at a time, answers with a Content-Length only. Cheap enough to hold 10,000 of.
import {connect, type Socket} from 'node:net'

export interface Answer {
  readonly status: number
  readonly body: string
}

type Done = (answer: Answer | Error) => void

export class Connection {
  readonly #socket: Socket
  #text = ''
  #bodyAt = -1
  #bytes = 0
  #done: Done | undefined
  #isOpen = true

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => this.#read(text))
    socket.on('error', error => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the connection was closed')))
  }

  static open(port: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.off('error', reject)
        resolve(new Connection(socket))
      })
      socket.once('error', reject)
    })
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Sends a whole request; `done` gets the answer, or why there was none. Not while another one is on its way. */
  ask(request: string, done: Done): void {
    this.#done = done
    if (this.#isOpen) this.#socket.write(request, 'latin1')
    else this.#fail(new Error('the connection was closed'))
  }

  /** {@link ask} as a promise; anything but 200 throws. */
  get(request: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.ask(request, answer => {
        if (answer instanceof Error) reject(answer)
        else if (answer.status !== 200) reject(new Error(`answered with ${answer.status}: ${answer.body.slice(0, 300)}`))
        else resolve(answer)
      })
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #fail(error: Error): void {
    this.#isOpen = false
    this.#socket.destroy()
    this.#finish(error)
  }

  #finish(answer: Answer | Error): void {
    const done = this.#done
    this.#done = undefined
    this.#text = ''
    this.#bodyAt = -1
    done?.(answer)
  }

  #read(text: string): void {
    this.#text += text
    if (this.#bodyAt < 0) {
      const end = this.#text.indexOf('\r\n\r\n')
      if (end < 0) return
      const length = /^content-length: *(\d+)/im.exec(this.#text.slice(0, end))?.[1]
      if (length === undefined) {
        this.#fail(new Error('the answer has no Content-Length'))
        return
      }
      this.#bodyAt = end + 4
      this.#bytes = Number(length)
    }
    if (this.#text.length < this.#bodyAt + this.#bytes) return
    this.#finish({status: Number(this.#text.slice(9, 12)), body: this.#text.slice(this.#bodyAt)})
  }
}
