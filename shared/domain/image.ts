// The name of an image taken apart (github.com/distribution/reference, grammar of `reference`), and what a name meant when a release first ran: its pin. Pure.

export interface ImageReference {
  /** The registry's host, with its port. */
  readonly registry: string
  /** Without tag and digest, with the registry unless it is Docker's own. */
  readonly name: string
  readonly tag: string
  /** `sha256:…`, when the reference pins the image by its content. */
  readonly digest?: string
}

const charactersMax = 512
/** Host, path (lower-case words with separators between them: no `..`), tag and digest. */
const pattern =
  /^((?:[a-zA-Z0-9[][a-zA-Z0-9._:[\]-]*\/)?[a-z0-9]+(?:(?:[._]|__|-+|\/)[a-z0-9]+)*)(?::([\w][\w.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/

/** Docker's own registry, which names without a host mean. */
export const dockerHub = 'docker.io'

/** Undefined when the text is no image's name. */
export const parseReference = (text: string): ImageReference | undefined => {
  const [, name, tag = 'latest', digest] = text.length > charactersMax ? [] : (pattern.exec(text) ?? [])
  if (name === undefined) return undefined
  const [first = '', ...rest] = name.split('/')
  // An engine takes capital letters for a host as well: what it asks there must not get the credentials of Docker's own registry.
  const isHost = rest.length > 0 && (/[.:A-Z]/.test(first) || first === 'localhost')
  return {registry: isHost ? first : dockerHub, name, tag, ...(digest === undefined ? {} : {digest})}
}

/** What `image` of a release means: found out once, by the first host that has to know. */
export interface ImagePin {
  readonly formation: string
  readonly release: number
  /** As the release has it. */
  readonly image: string
  /** `sha256:…` */
  readonly digest: string
}

/** Whether the name may mean something else tomorrow. */
export const isMovable = (image: string): boolean => {
  const reference = parseReference(image)
  return reference !== undefined && reference.digest === undefined && !isImageId(image)
}

/** An image's own id, which no registry knows. */
export const isImageId = (image: string): boolean => /^sha256:[0-9a-f]{64}$/.test(image)

/** The very image that a name with a tag stood for: `name@sha256:…`. */
export const pinnedName = (image: string, digest: string): string => `${parseReference(image)?.name ?? image}@${digest}`
