// Light, bounded load on a stage's router, proxy and API at once: one request every 20 ms each, and how long each of them did not answer.
import {setTimeout as sleep} from 'node:timers/promises'
import {get, type Stage} from '#test/platform/stage.ts'
import {echoFormation, echoHost} from '../stages/echo.ts'

const everyMs = 20
const secondsMax = 120

type Ask = () => Promise<{readonly status: number}>

interface Watch {
  requests: number
  failed: number
  /** Longest time between two good answers. */
  gapMs: number
}

const watch = async (ask: Ask, isOver: () => boolean): Promise<Watch> => {
  const seen: Watch = {requests: 0, failed: 0, gapMs: 0}
  let goodAt = performance.now()
  while (!isOver()) {
    const {status} = await ask()
    seen.requests += 1
    if (status === 200) {
      seen.gapMs = Math.max(seen.gapMs, performance.now() - goodAt)
      goodAt = performance.now()
    } else seen.failed += 1
    await sleep(everyMs)
  }
  seen.gapMs = Math.max(seen.gapMs, performance.now() - goodAt)
  return seen
}

/** Starts asking; `stop` answers what was seen. Ends by itself after two minutes. */
export const startLoad = (stage: Stage) => {
  const until = performance.now() + secondsMax * 1_000
  let over = false
  const isOver = (): boolean => over || performance.now() > until
  const router = watch(() => stage.route(echoHost, '/'), isOver)
  const proxy = watch(() => stage.through(`http://web.${echoFormation}.service/`), isOver)
  const api = watch(() => get(`${stage.urls.api}/v1/health`), isOver)
  return {
    stop: async () => {
      over = true
      const [r, p, a] = await Promise.all([router, proxy, api])
      return {
        routerRequests: r.requests,
        routerFailed: r.failed,
        routerGapMs: Math.round(r.gapMs),
        proxyRequests: p.requests,
        proxyFailed: p.failed,
        proxyGapMs: Math.round(p.gapMs),
        apiFailed: a.failed,
        apiGapMs: Math.round(a.gapMs),
      }
    },
  }
}
