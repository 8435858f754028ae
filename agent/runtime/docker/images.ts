// The images of an executor: which one a release's name means here, pulled once for all that wait for it, the same for all instances of the release. Owns
// the file that remembers it; removes nothing (collect.ts).
import {readFileSync} from 'node:fs'
import {type ImageReference, isImageId, parseReference, pinnedName} from '#shared/domain/image.ts'
import type {SlugReference} from '#shared/domain/release.ts'
import {Gate} from '../../gate.ts'
import {replaceFile} from '../../state.ts'
import {type EngineApi, EngineRefusal} from './api.ts'
import type {Image} from './container.ts'
import {readRegistryAuth} from './credentials.ts'
import {type FetchArchive, load} from './load.ts'
import {ImageRefused, type Progress, pull, pullMsMax} from './pull.ts'

/** Pulls at once: more only share the same line. */
const pullsMax = 3
/** Releases whose images are remembered. */
const resolvedMax = 1_000

interface Inspected {
  readonly Id: string
  readonly RepoTags?: readonly string[] | null
  readonly RepoDigests?: readonly string[] | null
  readonly Config?: {readonly User?: string; readonly StopSignal?: string} | null
}

/** What a name meant when a release first ran here. */
interface Resolved {
  readonly id: string
  /** `name@sha256:…`: brings the same one again when it is gone. */
  readonly pinned?: string
  /** When instances of the release were last seen here, in milliseconds since the epoch. */
  readonly usedAt: number
  /** It was not here before this agent brought it, under these of the engine's names. */
  readonly brought?: readonly string[]
}

/** What is known of an image that names have meant here. */
export interface SeenImage {
  /** A release that is here needs it. */
  readonly isKept: boolean
  readonly usedAt: number
  /** The engine's names that it was brought under; undefined when it was here before. */
  readonly broughtAs?: readonly string[]
}

/** Brings an image here, telling how far it is. */
type Bring = (signal: AbortSignal, onProgress: (text: string) => void) => Promise<void>

interface Waiting {
  readonly done: Promise<void>
  readonly listeners: Set<(progress: string) => void>
  readonly abort: AbortController
}

export interface ImagesOptions {
  readonly api: EngineApi
  /** Remembers what names meant. */
  readonly path: string
  /** A file in the form of Docker's config.json. */
  readonly credentials?: string
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly onError: (error: unknown, what: string) => void
  /** Brings what no registry has. */
  readonly fetchArchive: FetchArchive
}

export interface Wanted {
  /** The name as the manifest has it. */
  readonly image: string
  /** Where it is when no registry has it; `image` is its id then. */
  readonly archive?: SlugReference
  /** `<formation>/<release>`. */
  readonly release: string
  /** Agrees with other executors on what the name means in the release: from what it means here now (`sha256:…`) to what holds. */
  readonly agree?: (digest: string, signal: AbortSignal) => Promise<string>
  readonly signal: AbortSignal
  readonly onProgress: (text: string) => void
}

const imageOf = ({Id, Config}: Inspected): Image => ({id: Id, user: Config?.User ?? '', stopSignal: Config?.StopSignal || 'SIGTERM'})

/** The engine leaves out what is usual: `redis:7` for `docker.io/library/redis:7`. */
const isEnginesName = (engines: string, name: string): boolean => engines === name || name.endsWith(`/${engines}`)

/** By which digest a registry knows the image under this name. */
const digestIn = ({RepoDigests}: Inspected, name: string): string | undefined => {
  const found = RepoDigests?.map(each => each.split('@')).find(([engines = '']) => isEnginesName(engines, name))
  return found?.[1]
}

const loadResolved = (path: string): [string, Resolved][] => {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return typeof value === 'object' && value !== null ? (Object.entries(value) as [string, Resolved][]) : []
  } catch {
    // None yet, or damaged: names are looked up again.
    return []
  }
}

/** What the engine knows of an image; undefined when it has none of that name. */
export const inspectImage = async (api: EngineApi, image: string): Promise<Inspected | undefined> => {
  try {
    return await api.call<Inspected>('GET', `/images/${image}/json`)
  } catch (error) {
    if (error instanceof EngineRefusal && error.status === 404) return undefined
    throw error
  }
}

export class Images {
  readonly #options: ImagesOptions
  readonly #resolved: Map<string, Resolved>
  readonly #pulls = new Map<string, Waiting>()
  readonly #gate = new Gate(pullsMax)
  /** Ids of what was not here before. */
  readonly #brought = new Set<string>()
  #saving: Promise<void> = Promise.resolve()

  constructor(options: ImagesOptions) {
    this.#options = options
    this.#resolved = new Map(loadResolved(options.path))
  }

  /**
   * The image, on this machine. The first instance of a release asks the registry what the name means now, and all others of it get the same, on other
   * machines as well (`agree`); when the registry can not be asked, what the name meant here before is taken. Throws {@link ImageRefused}.
   */
  async get(wanted: Wanted): Promise<Image> {
    const {image, release, archive} = wanted
    if (archive !== undefined) return this.#archived(wanted, archive)
    const reference = parseReference(image)
    if (reference === undefined) throw new ImageRefused(`“${image}” is no name of an image`, false)
    const key = `${release} ${image}`
    const known = this.#resolved.get(key)
    const here =
      (known && (await this.#inspect(known.id))) ?? ((reference.digest !== undefined || isImageId(image)) && (await this.#inspect(image)))
    const found = here || (await this.#bring(wanted, reference, known?.pinned))
    if (known?.id !== found.Id) await this.#remember(key, found, reference)
    return imageOf(found)
  }

  async #bring(wanted: Wanted, reference: ImageReference, pinned: string | undefined): Promise<Inspected> {
    const {image, agree, signal, onProgress} = wanted
    const known = pinned === undefined ? undefined : parseReference(pinned)
    const found = await this.#fetch(wanted, known ?? reference)
    const digest = digestIn(found, reference.name)
    if (known !== undefined || reference.digest !== undefined || agree === undefined || digest === undefined) return found
    onProgress('asking what the image means in this release')
    const held = await agree(digest, signal)
    const other = held === digest ? undefined : parseReference(pinnedName(image, held))
    return other === undefined ? found : this.#fetch(wanted, other)
  }

  // The id says all of it: there is nothing to look up, and nobody else can give it another meaning.
  async #archived(wanted: Wanted, archive: SlugReference): Promise<Image> {
    const {image, release} = wanted
    const {api, fetchArchive} = this.#options
    if (!isImageId(image)) throw new ImageRefused(`“${image}” is no id of an image, which one from an archive needs`, false)
    if ((await this.#inspect(image)) === undefined) {
      const run = (signal: AbortSignal, onProgress: (text: string) => void) => load({api, fetch: fetchArchive, archive, signal, onProgress})
      await this.#shared(image, run, wanted)
      this.#brought.add(image)
    }
    const found = await this.#inspect(image)
    if (found === undefined)
      throw new ImageRefused(`the archive ${archive.sha256.slice(0, 12)} does not hold the image ${image.slice(0, 19)}`, false)
    const key = `${release} ${image}`
    if (this.#resolved.get(key)?.id !== found.Id) await this.#remember(key, found)
    return imageOf(found)
  }

  /** All images that names have meant here, by id: whether a release that `isKept` needs them, when one last did, and whether this agent brought them. */
  seen(isKept: (release: string) => boolean, now: number): ReadonlyMap<string, SeenImage> {
    const images = new Map<string, SeenImage>()
    for (const [key, resolved] of this.#resolved) {
      const kept = isKept(key.split(' ')[0] ?? '')
      if (kept) this.#resolved.set(key, {...resolved, usedAt: now})
      const before = images.get(resolved.id)
      const {brought} = resolved
      const broughtAs = brought === undefined ? before?.broughtAs : [...(before?.broughtAs ?? []), ...brought]
      images.set(resolved.id, {
        isKept: kept || before?.isKept === true,
        usedAt: Math.max(kept ? now : resolved.usedAt, before?.usedAt ?? 0),
        ...(broughtAs !== undefined && {broughtAs}),
      })
    }
    return images
  }

  /** These images are gone. */
  async forget(ids: ReadonlySet<string>): Promise<void> {
    for (const [key, {id}] of [...this.#resolved]) if (ids.has(id)) this.#resolved.delete(key)
    await this.#save()
  }

  async #fetch(wanted: Wanted, reference: ImageReference): Promise<Inspected> {
    const {image} = wanted
    const name = reference.digest === undefined ? `${reference.name}:${reference.tag}` : `${reference.name}@${reference.digest}`
    const old = await this.#inspect(name)
    try {
      await this.#shared(name, (signal, onProgress) => this.#pull(reference, image, signal, onProgress), wanted)
    } catch (error) {
      if (wanted.signal.aborted || old === undefined) throw error
      this.#options.onError(error, `${image}: taking what it meant here before`)
      return old
    }
    const found = await this.#inspect(name)
    if (found === undefined) throw new ImageRefused(`the image ${image} was pulled and is not there`, true)
    if (found.Id !== old?.Id) this.#brought.add(found.Id)
    return found
  }

  /** Brings what `name` stands for by `run`, once for all that want it meanwhile. */
  async #shared(name: string, run: Bring, {signal, onProgress}: Wanted): Promise<void> {
    const waiting = this.#pulls.get(name) ?? this.#begin(name, run)
    const listener = (progress: string) => onProgress(progress)
    waiting.listeners.add(listener)
    const leave = Promise.withResolvers<never>()
    const abort = () => leave.reject(signal.reason)
    signal.addEventListener('abort', abort, {once: true})
    try {
      signal.throwIfAborted()
      await Promise.race([waiting.done, leave.promise])
    } finally {
      signal.removeEventListener('abort', abort)
      waiting.listeners.delete(listener)
      // Nobody waits for it any more.
      if (waiting.listeners.size === 0) waiting.abort.abort(new Error('called off'))
    }
  }

  #begin(name: string, run: Bring): Waiting {
    const abort = new AbortController()
    const listeners = new Set<(progress: string) => void>()
    const signal = AbortSignal.any([abort.signal, AbortSignal.timeout(pullMsMax)])
    const onProgress = (progress: string) => {
      for (const listener of listeners) listener(progress)
    }
    const done = this.#gate.pass(() => run(signal, onProgress)).finally(() => this.#pulls.delete(name))
    done.catch(() => undefined)
    const waiting = {done, listeners, abort}
    this.#pulls.set(name, waiting)
    return waiting
  }

  async #pull(reference: ImageReference, image: string, signal: AbortSignal, onProgress: (text: string) => void): Promise<void> {
    const {api, credentials} = this.#options
    const auth = credentials === undefined ? undefined : await readRegistryAuth(credentials, reference.registry)
    const tell = (progress: Progress) => onProgress(String(progress))
    await pull({api, reference, image, signal, onProgress: tell, ...(auth === undefined ? {} : {auth})})
  }

  #inspect(image: string): Promise<Inspected | undefined> {
    return inspectImage(this.#options.api, image)
  }

  async #remember(key: string, found: Inspected, reference?: ImageReference): Promise<void> {
    const {Id: id, RepoTags} = found
    const name = reference?.name ?? ''
    const digest = digestIn(found, name)
    const isOurs = this.#brought.has(id) || [...this.#resolved.values()].some(other => other.id === id && other.brought !== undefined)
    const brought = (RepoTags ?? []).filter(tag => isEnginesName(tag, `${name}:${reference?.tag}`))
    const more = {...(digest === undefined ? {} : {pinned: `${name}@${digest}`}), ...(isOurs && {brought})}
    this.#resolved.set(key, {id, usedAt: this.#options.now(), ...more})
    for (const old of [...this.#resolved.keys()].slice(0, Math.max(0, this.#resolved.size - resolvedMax))) this.#resolved.delete(old)
    await this.#save()
  }

  // One after the other: two that are written at once would be one broken file.
  #save(): Promise<void> {
    const {path, onError} = this.#options
    this.#saving = this.#saving
      .then(() => replaceFile(path, JSON.stringify(Object.fromEntries(this.#resolved))))
      .catch(error => onError(error, `${path} can not be written`))
    return this.#saving
  }
}
