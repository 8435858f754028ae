// Names of routes whose makers gave none: readable, made of domain and path. Pure.
import {createHash} from 'node:crypto'
import {isName, nameCharactersMax} from '#shared/domain/names.ts'

const suffixCharacters = 7

const tidy = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+/, '')

/** `crm.example.com/user/{username}` → `crm-example-com-user-username`; `route` when nothing usable is left. */
export const nameFor = (domain: string, path: string): string => {
  const name = tidy(`${domain}-${path}`).slice(0, nameCharactersMax).replace(/-+$/, '')
  return isName(name) ? name : 'route'
}

/** The name to take when {@link nameFor}'s is taken: with six digits of the pattern’s digest, so the same for the same route. */
export const otherNameFor = (domain: string, path: string, pattern: string): string => {
  const base = nameFor(domain, path)
    .slice(0, nameCharactersMax - suffixCharacters)
    .replace(/-+$/, '')
  return `${base}-${createHash('sha256')
    .update(pattern)
    .digest('hex')
    .slice(0, suffixCharacters - 1)}`
}
