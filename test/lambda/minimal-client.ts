// A runtime interface client of our own, for machines without AWS's (`aws-lambda-ric` takes a C++ compiler to install): asks for events, calls the handler,
// answers. Run as a program in the function's folder; argument: `file.handler`.
import {pathToFileURL} from 'node:url'

type Handler = (event: unknown, context: {readonly awsRequestId: string}) => Promise<unknown>

const api = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime`
const [file = '', name = ''] = (process.argv[2] ?? '').split('.')

const post = async (path: string, body: unknown): Promise<void> => {
  await (await fetch(`${api}/${path}`, {method: 'POST', body: JSON.stringify(body) ?? 'null'})).arrayBuffer()
}

const tell = ({name: errorType, message: errorMessage}: Error) => ({errorType, errorMessage})

const load = async (): Promise<Handler> => {
  const loaded = (await import(pathToFileURL(`${process.cwd()}/${file}.mjs`).href)) as Record<string, Handler>
  return loaded[name] as Handler
}

const handler = await load().catch(async (error: Error) => {
  await post('init/error', tell(error))
  return process.exit(1)
})
for (;;) {
  const next = await fetch(`${api}/invocation/next`)
  const awsRequestId = next.headers.get('lambda-runtime-aws-request-id') ?? ''
  const event: unknown = await next.json()
  await handler(event, {awsRequestId}).then(
    answer => post(`invocation/${awsRequestId}/response`, answer),
    (error: Error) => post(`invocation/${awsRequestId}/error`, tell(error)),
  )
}
