// Where a project's own types are: what one entry of `types:` may be. Fetches nothing. Pure.

/** What an entry says. Folders are inside the project. */
export type TypeSource =
  | {readonly kind: 'folder'; readonly path: string}
  | {readonly kind: 'url'; readonly url: string; readonly sha256?: string}
  | {readonly kind: 'npm'; readonly name: string; readonly version: string}

/** Looked into when a manifest names none, if it is there. */
export const typesFolderDefault = 'types'

/** A package’s name as npm has them, and one version: a range would mean something else tomorrow. */
const npmPattern =
  /^npm:((?:@[a-z0-9][a-z0-9._-]{0,100}\/)?[a-z0-9][a-z0-9._-]{0,100})@(\d{1,9}\.\d{1,9}\.\d{1,9}(?:-[A-Za-z0-9.-]{1,60})?)$/
const folderPattern = /^(?:\.\/)?[A-Za-z0-9_][A-Za-z0-9_.-]*(?:\/[A-Za-z0-9_][A-Za-z0-9_.-]*)*\/?$/

/** Plain http is for this machine only. */
const urlOf = (text: string): TypeSource | undefined => {
  const url = URL.parse(text)
  if (url === null || url.username !== '' || url.password !== '') return undefined
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && url.hostname === '127.0.0.1')) return undefined
  const pin = url.hash === '' ? undefined : /^#sha256=([0-9a-f]{64})$/.exec(url.hash)?.[1]
  if (url.hash !== '' && pin === undefined) return undefined
  url.hash = ''
  return {kind: 'url', url: url.href, ...(pin !== undefined && {sha256: pin})}
}

/** What an entry means; undefined when it is none. */
export const parseTypeSource = (text: string): TypeSource | undefined => {
  if (text.startsWith('npm:')) {
    const [, name, version] = npmPattern.exec(text) ?? []
    return name === undefined || version === undefined ? undefined : {kind: 'npm', name, version}
  }
  if (/^https?:/.test(text)) return urlOf(text)
  return folderPattern.test(text) ? {kind: 'folder', path: text.replace(/\/$/, '')} : undefined
}
