// One pull of an image: what the engine tells of it, as a text for people; how it ends. Keeps nothing; images.ts decides what is pulled and when.

import type {ImageReference} from '#shared/domain/image.ts'
import {type EngineApi, EngineRefusal} from './api.ts'
import {jsonLines} from './frames.ts'

/** A pull from which nothing is heard for so long is given up. */
const idleMsMax = 60_000
/** The longest a pull may take. */
export const pullMsMax = 15 * 60_000

/** An image that can not be had. `retry` is false when trying again can not help. */
export class ImageRefused extends Error {
  readonly retry: boolean

  constructor(message: string, retry: boolean) {
    super(message)
    this.retry = retry
  }
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')
const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

interface Layer {
  readonly current: number
  readonly total: number
}

const sized = (bytes: number): string => (bytes < 1_000_000 ? `${Math.ceil(bytes / 1_000)} kB` : `${Math.round(bytes / 1_000_000)} MB`)

/** Sums up the layers of a pull. Sizes are known as layers begin, so the whole may grow. */
export class Progress {
  readonly #layers = new Map<string, Layer>()
  #unpacking = false

  /** Takes in one message (`{status, id, progressDetail}`). */
  add(message: unknown): void {
    if (!isRecord(message)) return
    const id = text(message.id)
    const detail = isRecord(message.progressDetail) ? message.progressDetail : {}
    const [current, total] = [Number(detail.current ?? 0), Number(detail.total ?? 0)]
    if (message.status === 'Downloading' && total > 0) this.#layers.set(id, {current, total})
    if (message.status === 'Download complete') this.#complete(id)
    if (message.status === 'Extracting') {
      this.#complete(id)
      this.#unpacking = true
    }
  }

  /** `pulling 45 MB of 120 MB`, `pulling`, `unpacking 120 MB`. */
  toString(): string {
    const layers = [...this.#layers.values()]
    const current = layers.reduce((sum, layer) => sum + layer.current, 0)
    const total = layers.reduce((sum, layer) => sum + layer.total, 0)
    if (total === 0) return this.#unpacking ? 'unpacking' : 'pulling'
    return this.#unpacking && current >= total ? `unpacking ${sized(total)}` : `pulling ${sized(current)} of ${sized(total)}`
  }

  #complete(id: string): void {
    const layer = this.#layers.get(id)
    if (layer !== undefined) this.#layers.set(id, {...layer, current: layer.total})
  }
}

const isDenied = (complaint: string): boolean => /denied|unauthorized|authentication required|no basic auth|forbidden/i.test(complaint)
const isMissing = (complaint: string): boolean =>
  /not found|manifest unknown|name unknown|does not exist|no matching manifest|invalid reference/i.test(complaint)

/** What the engine's complaint means for the service's owner. */
export const refusalOf = (image: string, complaint: string): ImageRefused => {
  const hint = isDenied(complaint)
    ? '; does it exist, and has the file GILLIAM_REGISTRY_CREDENTIALS names credentials of its registry?'
    : ''
  return new ImageRefused(`the image ${image} can not be pulled: ${complaint}${hint}`, !isDenied(complaint) && !isMissing(complaint))
}

export interface PullOptions {
  readonly api: EngineApi
  readonly reference: ImageReference
  /** The image as its owner wrote it. */
  readonly image: string
  readonly auth?: string
  readonly signal: AbortSignal
  readonly onProgress: (progress: Progress) => void
}

const complaintIn = (message: unknown): string | undefined =>
  isRecord(message) && typeof message.error === 'string' ? message.error : undefined

/** Pulls; throws {@link ImageRefused} with the reason, or the signal's. */
export const pull = async ({api, reference, image, auth, signal, onProgress}: PullOptions): Promise<void> => {
  const {name, tag, digest = tag} = reference
  const watchdog = new AbortController()
  const late = () =>
    watchdog.abort(new ImageRefused(`the image ${image} can not be pulled: nothing heard for ${idleMsMax / 1_000} s`, true))
  let timer = setTimeout(late, idleMsMax)
  const both = AbortSignal.any([signal, watchdog.signal])
  const progress = new Progress()
  try {
    const headers: Record<string, string> = auth === undefined ? {} : {'x-registry-auth': auth}
    const query = {fromImage: name, tag: digest}
    const stream = await api.stream('POST', '/images/create', {query, headers, signal: both, timeoutMs: idleMsMax})
    for await (const message of jsonLines(stream)) {
      clearTimeout(timer)
      timer = setTimeout(late, idleMsMax)
      const complaint = complaintIn(message)
      if (complaint !== undefined) throw refusalOf(image, complaint)
      progress.add(message)
      onProgress(progress)
    }
  } catch (error) {
    if (both.aborted) throw both.reason
    throw error instanceof EngineRefusal ? refusalOf(image, error.message) : error
  } finally {
    clearTimeout(timer)
  }
}
