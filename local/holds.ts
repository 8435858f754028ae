// Long polls of a local stage: an answer that says nothing new waits until something is, so that agents, router and proxy learn of changes within
// milliseconds and ask seldom. The functions know nothing of it: they are simply asked again. On AWS, where waiting costs money, nobody holds.
import type {APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, DynamoDBRecord, DynamoDBStreamEvent} from 'aws-lambda'
import {holdMsMax} from '#shared/api.ts'
import type {Consumer} from './event-sources.ts'
import type {GatewayFunction} from './gateway.ts'
import {Topics} from './topics.ts'

/** How soon a caller that can be held should ask again, in milliseconds. */
const askAgainMs = 10
/** Answers held at the same time; more are given at once. */
const holdsMax = 10_000

interface Question {
  readonly holdMs: number
  /** What would make the answer another one; undefined when the caller wants it at once. */
  readonly topics: readonly string[] | undefined
}

interface Body {
  readonly holdMs?: unknown
  readonly reports?: readonly unknown[]
  readonly logs?: readonly unknown[]
  readonly formations?: Readonly<Record<string, unknown>>
  readonly routes?: unknown
}

const parse = (text: string | undefined): Body => {
  try {
    const value: unknown = JSON.parse(text ?? '{}')
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {} // The function answers it with what is wrong.
  }
}

const isEmpty = (list: readonly unknown[] | undefined): boolean => list === undefined || list.length === 0

const topicsOf: Readonly<Record<string, (event: APIGatewayProxyEventV2, body: Body) => readonly string[] | undefined>> = {
  // One that reports wants to know that it was heard.
  'POST /v1/executors/{executor}/sync': (event, {reports, logs}) =>
    isEmpty(reports) && isEmpty(logs) ? [`executor ${event.pathParameters?.executor}`] : undefined,
  'POST /v1/discovery': (_, {formations, routes}) => [
    ...Object.keys(formations ?? {}).map(name => `formation ${name}`),
    ...(routes === undefined ? [] : ['routes']),
  ],
}

/** Undefined when the caller did not ask to be held. */
const questionOf = (event: APIGatewayProxyEventV2): Question | undefined => {
  const topics = topicsOf[event.routeKey]
  if (topics === undefined) return undefined
  const body = parse(event.body)
  const holdMs = typeof body.holdMs === 'number' ? Math.min(body.holdMs, holdMsMax) : 0
  return holdMs > 0 ? {holdMs, topics: topics(event, body)} : undefined
}

interface Answer {
  readonly assignments?: unknown
  readonly formations?: Readonly<Record<string, unknown>>
  readonly routes?: unknown
  readonly token?: unknown
}

const saysNothing = ({statusCode, body}: APIGatewayProxyStructuredResultV2): boolean => {
  if (statusCode !== 200) return false
  const {assignments, formations, routes, token} = JSON.parse(body ?? '{}') as Answer
  return [assignments, routes, token].every(part => part === undefined) && Object.keys(formations ?? {}).length === 0
}

/** The answer, asking to be called again at once: the next call is what waits. */
const askAgain = (result: APIGatewayProxyStructuredResultV2): APIGatewayProxyStructuredResultV2 => {
  if (result.statusCode !== 200) return result
  const body = JSON.parse(result.body ?? '{}') as Record<string, unknown>
  for (const when of ['nextSyncMs', 'nextPollMs']) if (when in body) body[when] = askAgainMs
  return {...result, body: JSON.stringify(body)}
}

/** What a changed item is about; undefined when nobody waits for that. */
const topicOf = ({dynamodb}: DynamoDBRecord): string | undefined => {
  const item = dynamodb?.NewImage
  const before = dynamodb?.OldImage
  if (item?.type?.S === 'lease')
    return item.assignmentVersion?.N === before?.assignmentVersion?.N
      ? undefined
      : `executor ${dynamodb?.Keys?.sk?.S?.slice('LEASE#'.length)}`
  if (item?.type?.S === 'discovery') return `formation ${item.formation?.S}`
  return item?.type?.S === 'routing' ? 'routes' : undefined
}

export interface Holds {
  /** Hears of changes from the table's stream. */
  readonly consumer: Consumer
  readonly wrap: (inner: GatewayFunction) => GatewayFunction
  /** Answers everybody who waits, and holds nobody from now on. */
  readonly release: () => void
}

/** Asks, and while the answer says nothing asks again after each piece of news. Listens before it asks, so that no change falls between. */
const hold = async (
  {topics, news, signal}: {readonly topics: readonly string[]; readonly news: Topics; readonly signal: AbortSignal},
  ask: () => Promise<APIGatewayProxyStructuredResultV2>,
): Promise<APIGatewayProxyStructuredResultV2> => {
  let isNews = false
  let wake: (() => void) | undefined
  const heard = (): void => {
    isNews = true
    wake?.()
  }
  const forget = news.listen(topics, heard)
  signal.addEventListener('abort', heard, {once: true})
  try {
    for (;;) {
      isNews = false
      const answer = await ask()
      if (signal.aborted || !saysNothing(answer)) return answer
      if (!isNews) {
        await new Promise<void>(resolve => {
          wake = resolve
        })
      }
      if (signal.aborted) return answer
    }
  } finally {
    forget()
    signal.removeEventListener('abort', heard)
  }
}

export const createHolds = (): Holds => {
  const news = new Topics()
  const released = new AbortController()
  let held = 0

  const wrap =
    (inner: GatewayFunction): GatewayFunction =>
    async (event, gone) => {
      const question = questionOf(event)
      if (question === undefined) return inner(event, gone)
      const {holdMs, topics} = question
      if (topics === undefined || held >= holdsMax) return askAgain(await inner(event, gone))
      held += 1
      try {
        const signal = AbortSignal.any([gone, released.signal, AbortSignal.timeout(holdMs)])
        return askAgain(await hold({topics, news, signal}, () => inner(event, gone)))
      } finally {
        held -= 1
      }
    }

  return {
    consumer: {
      name: 'holds',
      types: new Set(['lease', 'discovery', 'routing']),
      handle: async ({Records}: DynamoDBStreamEvent) => {
        for (const topic of new Set(Records.map(topicOf))) if (topic !== undefined) news.tell(topic)
      },
    },
    wrap,
    release: () => released.abort(),
  }
}
