// The id token that a CI job has or can ask for: GitHub Actions by its own endpoint, others by GILLIAM_ID_TOKEN.
import {type Environment, read} from '#shared/config.ts'
import {CommandError} from './exit.ts'

const answerTimeoutMs = 15_000

const none = new CommandError(
  'usage',
  'There is no id token here. On GitHub give the job `permissions: {id-token: write}`; elsewhere put one for this stage into GILLIAM_ID_TOKEN.',
)

/** docs.github.com, “OpenID Connect reference”: the runner’s endpoint takes the audience. */
const fromGitHub = async (url: string, bearer: string, audience: string): Promise<string> => {
  const target = new URL(url)
  target.searchParams.set('audience', audience)
  const signal = AbortSignal.timeout(answerTimeoutMs)
  const answer = await fetch(target, {headers: {authorization: `Bearer ${bearer}`, accept: 'application/json'}, signal}).catch(
    (error: Error) => {
      throw new CommandError('unreachable', `GitHub gave no id token: ${error.message}.`)
    },
  )
  const body: unknown = answer.ok ? await answer.json() : undefined
  if (typeof body === 'object' && body !== null && 'value' in body && typeof body.value === 'string') return body.value
  throw new CommandError('unreachable', `GitHub gave no id token: it answered ${answer.status}.`)
}

/** An id token for `audience`; a usage error where there is none. */
export const jobIdToken = async (
  env: Environment & {readonly ACTIONS_ID_TOKEN_REQUEST_URL?: string; readonly ACTIONS_ID_TOKEN_REQUEST_TOKEN?: string},
  audience: string,
): Promise<string> => {
  const own = read(env, 'GILLIAM_ID_TOKEN')
  if (own !== '') return own
  const {ACTIONS_ID_TOKEN_REQUEST_URL: url = '', ACTIONS_ID_TOKEN_REQUEST_TOKEN: bearer = ''} = env
  if (url === '' || bearer === '') throw none
  return fromGitHub(url, bearer, audience)
}
