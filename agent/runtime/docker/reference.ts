// The name of an image taken apart (github.com/distribution/reference, grammar of `reference`), as the engine's pull wants it. Pure.

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
const pattern = /^((?:[a-zA-Z0-9._:[\]-]+\/)?[a-z0-9._/-]+?)(?::([\w][\w.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/

/** Docker's own registry, which names without a host mean. */
export const dockerHub = 'docker.io'

/** Undefined when the text is no image's name. */
export const parseReference = (text: string): ImageReference | undefined => {
  const [, name, tag = 'latest', digest] = text.length > charactersMax ? [] : (pattern.exec(text) ?? [])
  if (name === undefined) return undefined
  const [first = '', ...rest] = name.split('/')
  const isHost = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost')
  return {registry: isHost ? first : dockerHub, name, tag, ...(digest === undefined ? {} : {digest})}
}
