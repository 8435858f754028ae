// What the load asks for: the n-th request, and whether an answer is the one to it. The same n is always the same request. Pure.

import type {Answer} from './answer.ts'
import type {Sent} from './connection.ts'
import {formation, host, service} from './project.ts'
import type {Shape, Via} from './seen.ts'

export interface Asked {
  readonly sent: Sent
  readonly shape: Shape
  readonly via: Via
  /** To be sent on a connection of its own. */
  readonly alone: boolean
  readonly user: number
  /** What the answer's body must be. */
  readonly wanted: Buffer
}

export const users = 1_000
const padding = 'x'.repeat(512)
/** Pieces of a streamed answer. */
export const pieces = 6
const bodyBytesMax = 16_384

/** A number in [0, 1) that n alone decides; `salt` keeps decisions about one n apart. */
const chance = (n: number, salt: number): number => {
  let hash = Math.imul(n ^ (salt * 0x9e3779b1), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
}

const shapeOf = (n: number): Shape => {
  const drawn = chance(n, 1)
  if (drawn < 0.25) return 'post'
  if (drawn < 0.3) return 'slow'
  return drawn < 0.35 ? 'stream' : 'get'
}

/** The texts that the service answers with; `server` in project.ts makes the same. */
const wantedOf: Readonly<Record<Exclude<Shape, 'post'>, (n: number) => string>> = {
  get: n => `${n} ${padding}`,
  slow: n => `${n} ${padding}`,
  stream: n => Array.from({length: pieces}, (_, piece) => `${n}:${piece} ${padding}\n`).join(''),
}

const bodyOf = (n: number): Buffer => {
  const bytes = Buffer.alloc(16 + Math.floor(chance(n, 5) * bodyBytesMax), `${n} `)
  bytes.write(`${n} `)
  return bytes
}

const piecesOf = (n: number, body: Buffer): readonly Buffer[] => {
  if (chance(n, 6) < 0.5) return [body]
  const half = body.length >>> 1
  return [body.subarray(0, half), body.subarray(half)]
}

const pathOf = (n: number, shape: Shape): string =>
  shape === 'slow' ? `/slow/${n}/${50 + Math.floor(chance(n, 4) * 150)}` : `/${shape}/${n}`

/** One request in four is a POST, one in twenty slow, one in twenty streamed; one in five goes through the proxy; one in thirty has its own connection. */
export const ask = (n: number): Asked => {
  const shape = shapeOf(n)
  const via = chance(n, 2) < 0.2 ? 'proxy' : 'router'
  const user = chance(n, 3) < 0.75 ? 1 + Math.floor(chance(n, 8) * users) : 0
  const body = shape === 'post' ? bodyOf(n) : undefined
  const authority = via === 'router' ? host : `${service}.${formation}.service`
  const lines = [
    `${body === undefined ? 'GET' : 'POST'} ${via === 'router' ? '' : `http://${authority}`}${pathOf(n, shape)} HTTP/1.1`,
    `Host: ${authority}`,
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
    'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
    ...(user === 0 ? [] : [`Cookie: theme=dark; uid=u${user}`]),
    ...(body === undefined ? [] : [`Content-Length: ${body.length}`]),
  ]
  return {
    sent: {head: `${lines.join('\r\n')}\r\n\r\n`, body: body === undefined ? [] : piecesOf(n, body)},
    shape,
    via,
    alone: chance(n, 7) < 1 / 30,
    user,
    wanted: body ?? Buffer.from(wantedOf[shape as Exclude<Shape, 'post'>](n)),
  }
}

interface Problem {
  readonly code?: string
  readonly detail?: string
}

const problemOf = (body: Buffer): Problem => {
  try {
    return JSON.parse(body.toString()) as Problem
  } catch {
    return {detail: body.toString('latin1', 0, 200)}
  }
}

/** Why an answer is not the right one; '' when it is. */
export const judge = ({wanted}: Asked, {status, body}: Answer): {cause: string; detail: string} => {
  if (status === 200) return body.equals(wanted) ? {cause: '', detail: ''} : {cause: 'wrong body', detail: body.toString('latin1', 0, 200)}
  const {code = '', detail = ''} = problemOf(body)
  return {cause: `${status} ${code}`.trim(), detail}
}
