// Logging in at an identity provider without a browser here: the OAuth 2.0 device authorization grant (RFC 8628). Owns that exchange; knows no stage.
import {CommandError} from './exit.ts'

const answerTimeoutMs = 15_000
const answerBytesMax = 262_144
/** RFC 8628 §3.2 and §3.5: between two polls, unless the provider says so; and what each `slow_down` adds. */
const intervalSecondsDefault = 5
const slowDownSeconds = 5
const loginSecondsMax = 1_800

export interface DeviceOptions {
  readonly issuer: string
  readonly clientId: string
  /** Shows the user where to go, and the code. */
  readonly show: (url: string, code: string) => void
  readonly sleep: (ms: number) => Promise<void>
  readonly now: () => number
}

type Answer = Readonly<Record<string, unknown>>

const fault = (issuer: string, why: string): CommandError => new CommandError('unreachable', `The identity provider ${issuer} ${why}.`)

/** Providers are spoken to over TLS; over plain HTTP only on this machine. */
const isSafe = (url: URL): boolean =>
  url.protocol === 'https:' || (url.protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname))

const urlOf = (text: unknown, issuer: string): URL => {
  const url = typeof text === 'string' ? URL.parse(text) : null
  if (url === null || !isSafe(url)) throw fault(issuer, 'names no https URL for a login without a browser (device flow)')
  return url
}

/** A JSON object and its status; throws when there is none. */
const ask = async (issuer: string, url: URL, form?: Readonly<Record<string, string>>): Promise<{ok: boolean; body: Answer}> => {
  const request = form === undefined ? {} : {method: 'POST', body: new URLSearchParams(form)}
  try {
    const signal = AbortSignal.timeout(answerTimeoutMs)
    const answer = await fetch(url, {...request, redirect: 'error', signal, headers: {accept: 'application/json'}})
    const text = await answer.text()
    if (text.length > answerBytesMax) throw new Error('too much')
    const body: unknown = JSON.parse(text)
    if (typeof body !== 'object' || body === null) throw new Error('no object')
    return {ok: answer.ok, body: {...body}}
  } catch (error) {
    throw fault(issuer, `does not answer as one: ${error instanceof Error ? error.message : String(error)}`)
  }
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')
const seconds = (value: unknown, otherwise: number): number => (typeof value === 'number' && value > 0 ? value : otherwise)

const denials: Readonly<Record<string, string>> = {
  access_denied: 'says that the login was refused',
  expired_token: 'says that the code has ended; try again',
}

const poll = async (options: DeviceOptions, endpoint: URL, started: Answer): Promise<string> => {
  const {issuer, clientId, sleep, now} = options
  const until = now() + Math.min(loginSecondsMax, seconds(started.expires_in, loginSecondsMax)) * 1_000
  const form = {
    grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
    device_code: text(started.device_code),
    client_id: clientId,
  }
  for (let every = seconds(started.interval, intervalSecondsDefault); now() < until; ) {
    await sleep(every * 1_000)
    const {ok, body} = await ask(issuer, endpoint, form)
    if (ok && text(body.id_token) !== '') return text(body.id_token)
    const error = text(body.error)
    if (error === 'slow_down') every += slowDownSeconds
    else if (error !== 'authorization_pending') throw fault(issuer, denials[error] ?? `refuses: ${error || 'it gave no id token'}`)
  }
  throw fault(issuer, 'was not told of a login in time; try again')
}

/** The id token of whoever logs in meanwhile. Throws CommandError when nobody does, or the provider has no device flow. */
export const logIn = async (options: DeviceOptions): Promise<string> => {
  const {issuer, clientId, show} = options
  const {body: provider} = await ask(issuer, urlOf(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, issuer))
  if (provider.issuer !== issuer) throw fault(issuer, 'describes itself as another one')
  const device = urlOf(provider.device_authorization_endpoint, issuer)
  const {ok, body: started} = await ask(issuer, device, {client_id: clientId, scope: 'openid profile email'})
  if (!ok || text(started.device_code) === '') throw fault(issuer, `refuses a login: ${text(started.error) || 'no code'}`)
  show(text(started.verification_uri_complete) || text(started.verification_uri), text(started.user_code))
  return poll(options, urlOf(provider.token_endpoint, issuer), started)
}
