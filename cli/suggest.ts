// What to do about a name that does not exist: the one that was probably meant, or the command that lists those there are. Best effort; changes nothing.
import {closest} from '#shared/domain/closest.ts'
import {isName} from '#shared/domain/names.ts'
import {GilliamError} from '#shared/errors.ts'
import type {Session} from './session.ts'

type Client = Awaited<ReturnType<Session['client']>>

interface Kind {
  /** Names that exist; `formation` is the one the error is about. */
  readonly names: (client: Client, formation: string) => Promise<readonly string[]>
  /** The command that lists them. */
  readonly listedBy: (formation: string) => string
}

const quick = {timeoutMs: 2_000, triesMax: 1}

const kinds: Readonly<Record<string, Kind>> = {
  formation: {
    names: async client => (await client.call('listFormations', {}, quick)).items.map(({name}) => name),
    listedBy: () => 'gilliam formations',
  },
  route: {
    names: async client => (await client.call('listRoutes', {}, quick)).items.map(({name}) => name),
    listedBy: () => 'gilliam routes',
  },
  executor: {
    names: async client => (await client.call('listExecutors', {}, quick)).items.map(({id}) => id),
    listedBy: () => 'gilliam executors',
  },
  instance: {
    names: async (client, formation) => (await client.call('listInstances', {params: {formation}}, quick)).items.map(({id}) => id),
    listedBy: formation => `gilliam ps -f ${formation}`,
  },
  token: {
    names: async client => (await client.call('listTokens', {}, quick)).items.map(({id}) => id),
    listedBy: () => 'gilliam token list',
  },
}

/** “There is no KIND “NAME” (in formation “F”)”: how the control plane says that something does not exist. */
const missing = /^There is no (\w+) “([^”]+)”(?: in formation “([^”]+)”)?/

/** A line to add to an error; empty when there is nothing to add. */
const suggestionFor = async (session: Session, error: unknown): Promise<string> => {
  if (!(error instanceof GilliamError) || error.code !== 'not_found') return ''
  const [, word = '', name = '', formation = ''] = missing.exec(error.message) ?? []
  const kind = Object.hasOwn(kinds, word) ? kinds[word] : undefined
  if (kind === undefined || (formation !== '' && !isName(formation))) return ''
  try {
    const near = closest(name, await kind.names(await session.client(), formation))
    return near === undefined ? `\n\`${kind.listedBy(formation)}\` lists what there is.` : `\nDid you mean the ${word} “${near}”?`
  } catch {
    // The error itself has been told; a list that can not be had adds nothing to it.
    return ''
  }
}

/** The error as it is told: with what to do next, where that is known. */
export const withSuggestion = async (session: Session, error: unknown): Promise<unknown> => {
  const next = await suggestionFor(session, error)
  return next === '' || !(error instanceof GilliamError) ? error : new GilliamError(error.code, `${error.message}${next}`, error.errors)
}
