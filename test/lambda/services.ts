// Stand-ins for the services of AWS that the functions call beside DynamoDB: S3, SQS, CloudWatch Logs, Parameter Store, KMS; and CloudFormation's ear. Ours, in
// memory, only as far as the functions go — but what S3 checks of a signed URL is checked: signature, signed headers, digest, length.
import {createHash, createHmac, randomBytes, randomUUID} from 'node:crypto'
import {once} from 'node:events'
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import {answerAutoScaling, type ScalingGroup} from './auto-scaling.ts'

interface LogEvent {
  readonly logStreamName: string
  readonly timestamp: number
  readonly message: string
}

export interface Message {
  readonly id: string
  readonly body: string
  /** Epoch ms. */
  readonly visibleAt: number
}

type Json = Readonly<Record<string, unknown>>

export interface Services {
  readonly url: string
  readonly blobs: Map<string, Buffer>
  readonly parameters: Map<string, string>
  readonly events: LogEvent[]
  readonly messages: Message[]
  /** What CloudFormation was answered. */
  readonly answers: Json[]
  readonly group: ScalingGroup
  readonly stop: () => Promise<void>
}

/** Refuses as AWS does: `__type` names the error. */
class Refusal extends Error {
  readonly status: number
  constructor(name: string, status = 400) {
    super(name)
    this.status = status
  }
}

const secret = 'secret'
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()
const sha256 = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex')
const encode = (text: string): string => encodeURIComponent(text).replace(/[!'()*]/g, c => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)

/** Signature of a presigned URL: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html */
const checkSignature = (request: IncomingMessage, url: URL): readonly string[] => {
  const parameters = [...url.searchParams].filter(([name]) => name !== 'X-Amz-Signature')
  const of = (name: string): string => url.searchParams.get(`X-Amz-${name}`) ?? ''
  const signed = of('SignedHeaders').split(';')
  const canonical = [
    request.method,
    url.pathname,
    parameters
      .map(([name, value]) => `${encode(name)}=${encode(value)}`)
      .sort()
      .join('&'),
    ...signed.map(name => `${name}:${String(request.headers[name] ?? '').trim()}`),
    '',
    signed.join(';'),
    'UNSIGNED-PAYLOAD',
  ].join('\n')
  const [, ...scope] = of('Credential').split('/')
  const [day = '', region = '', service = '', last = ''] = scope
  const key = hmac(hmac(hmac(hmac(`AWS4${secret}`, day), region), service), last)
  const signature = hmac(key, ['AWS4-HMAC-SHA256', of('Date'), scope.join('/'), sha256(canonical)].join('\n')).toString('hex')
  if (signature !== of('Signature')) throw new Refusal('SignatureDoesNotMatch', 403)
  const unsigned = Object.keys(request.headers).filter(name => name.startsWith('x-amz-') && !signed.includes(name))
  if (unsigned.length > 0) throw new Refusal('There were headers present in the request which were not signed', 403)
  return signed
}

const serveBlob = (blobs: Map<string, Buffer>, request: IncomingMessage, url: URL, body: Buffer, response: ServerResponse): void => {
  const isSigned = url.searchParams.has('X-Amz-Signature')
  const signed = isSigned ? checkSignature(request, url) : []
  if (request.method === 'PUT') {
    const digest = request.headers['x-amz-checksum-sha256']
    if (!signed.includes('x-amz-checksum-sha256') || !signed.includes('content-length')) throw new Refusal('AccessDenied', 403)
    if (digest !== createHash('sha256').update(body).digest('base64')) throw new Refusal('BadDigest')
    blobs.set(url.pathname, body)
    return void response.writeHead(200).end()
  }
  const blob = blobs.get(url.pathname)
  if (blob === undefined) return void response.writeHead(404).end()
  response.writeHead(200, {'content-length': blob.length}).end(request.method === 'HEAD' ? undefined : blob)
}

const createLogs = (events: LogEvent[]) => {
  const streams = new Set<string>()
  return {
    CreateLogStream: ({logStreamName}: Json): Json => {
      streams.add(String(logStreamName))
      return {}
    },
    PutLogEvents: ({logStreamName, logEvents}: Json): Json => {
      const name = String(logStreamName)
      if (!streams.has(name)) throw new Refusal('ResourceNotFoundException')
      events.push(...(logEvents as Omit<LogEvent, 'logStreamName'>[]).map(event => ({...event, logStreamName: name})))
      return {}
    },
    FilterLogEvents: (input: Json): Json => {
      const {logStreamNamePrefix, startTime, endTime, filterPattern, limit, startFromHead, nextToken} = input
      const id = /\$\.id = "(\w+)"/.exec(String(filterPattern))?.[1]
      const found = events
        .filter(
          ({logStreamName, timestamp}) =>
            logStreamName.startsWith(String(logStreamNamePrefix)) && timestamp >= Number(startTime) && timestamp <= Number(endTime),
        )
        .filter(({message}) => id === undefined || (JSON.parse(message) as {id: string}).id === id)
        .sort((a, b) => a.timestamp - b.timestamp)
      if (startFromHead === false) found.reverse()
      const [from, count] = [Number(nextToken ?? 0), Number(limit)]
      const page = found.slice(from, from + count)
      return {events: page, ...(from + count < found.length && {nextToken: String(from + count)})}
    },
  }
}

const createQueue = (messages: Message[]) => ({
  SendMessageBatch: ({Entries}: Json): Json => ({
    Failed: [],
    Successful: (Entries as {Id: string; MessageBody: string; DelaySeconds?: number}[]).map(({Id, MessageBody, DelaySeconds = 0}) => {
      const id = randomUUID()
      messages.push({id, body: MessageBody, visibleAt: Date.now() + DelaySeconds * 1_000})
      return {Id, MessageId: id, MD5OfMessageBody: createHash('md5').update(MessageBody).digest('hex')}
    }),
  }),
})

const createParameters = (parameters: Map<string, string>) => ({
  PutParameter: ({Name, Value, Type}: Json): Json => {
    if (Type !== 'SecureString') throw new Refusal('ValidationException')
    parameters.set(String(Name), String(Value))
    return {Version: 1}
  },
  DeleteParameters: ({Names}: Json): Json => {
    for (const name of Names as string[]) parameters.delete(name)
    return {DeletedParameters: Names}
  },
  GetParameter: ({Name}: Json): Json => {
    const Value = parameters.get(String(Name))
    if (Value === undefined) throw new Refusal('ParameterNotFound')
    return {Parameter: {Name, Value}}
  },
})

/** A key that hands out random ones, and knows them again with the same context only. */
const createKeys = () => {
  const known = new Map<string, {readonly key: string; readonly context: string}>()
  return {
    GenerateDataKey: ({EncryptionContext}: Json): Json => {
      const [key, blob] = [randomBytes(32).toString('base64'), randomBytes(16).toString('base64')]
      known.set(blob, {key, context: JSON.stringify(EncryptionContext)})
      return {KeyId: 'key', Plaintext: key, CiphertextBlob: blob}
    },
    Decrypt: ({CiphertextBlob, EncryptionContext}: Json): Json => {
      const found = known.get(String(CiphertextBlob))
      if (found?.context !== JSON.stringify(EncryptionContext)) throw new Refusal('InvalidCiphertextException')
      return {KeyId: 'key', Plaintext: found.key}
    },
  }
}

const read = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Starts them all on one port of 127.0.0.1. */
export const startServices = async (): Promise<Services> => {
  const group: ScalingGroup = {desired: 1, asked: []}
  const kept = {blobs: new Map<string, Buffer>(), parameters: new Map<string, string>()}
  const state = {...kept, events: [], messages: [], answers: [] as Json[], group}
  const operations: Readonly<Record<string, (input: Json) => Json>> = {
    ...createLogs(state.events),
    ...createQueue(state.messages),
    ...createParameters(state.parameters),
    ...createKeys(),
  }

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '', 'http://services')
    const body = await read(request)
    const target = request.headers['x-amz-target']
    const scaled = request.method === 'POST' ? answerAutoScaling(state.group, body.toString()) : undefined
    if (scaled !== undefined) return void response.setHeader('content-type', 'text/xml').end(scaled)
    if (url.pathname === '/cloudformation') {
      state.answers.push(JSON.parse(body.toString()) as Json)
      return void response.end()
    }
    if (target === undefined) return serveBlob(state.blobs, request, url, body, response)
    const operation = operations[String(target).split('.').at(-1) ?? '']
    if (operation === undefined) throw new Refusal(`UnknownOperationException ${target}`)
    response.setHeader('content-type', 'application/x-amz-json-1.1').end(JSON.stringify(operation(JSON.parse(body.toString()) as Json)))
  }
  const refuse = (error: Error, response: ServerResponse): void => {
    const status = error instanceof Refusal ? error.status : 500
    response.writeHead(status, {'content-type': 'application/x-amz-json-1.1'}).end(JSON.stringify({__type: error.message}))
  }

  const server = createServer((request, response) => void serve(request, response).catch(error => refuse(error, response)))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    ...state,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
