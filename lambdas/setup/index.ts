// The first credentials of a stage, made when it is deployed: tokens for the operator and for router and proxy, kept where only they can read them.
// A CloudFormation custom resource: answers at the URL it is given, whatever happens. The tokens never pass through CloudFormation.
import type {CloudFormationCustomResourceEvent, CloudFormationCustomResourceResponse} from 'aws-lambda'
import type {Store} from '#lambdas/store/index.ts'
import type {Logger} from '#shared/log.ts'
import type {Scope} from '#shared/scopes.ts'

/** How long each holds. Deploying with another `tokens` makes new ones; the old ones end by themselves. */
export const firstTokens = {
  admin: {scope: 'admin', ttlMs: 7 * 86_400_000},
  discovery: {scope: 'discovery', ttlMs: 400 * 86_400_000},
} as const satisfies Record<string, {readonly scope: Scope; readonly ttlMs: number}>

export interface SetupDeps {
  readonly store: {readonly tokens: Pick<Store['tokens'], 'create'>}
  readonly log: Logger
  readonly now: () => number
  /** Keeps a secret under a name, encrypted, in place of the one before. */
  readonly keep: (name: string, secret: string) => Promise<void>
  readonly forget: (names: readonly string[]) => Promise<void>
  /** PUTs the answer; throws when it was not taken. */
  readonly answer: (url: string, body: string) => Promise<void>
}

const names = Object.keys(firstTokens) as (keyof typeof firstTokens)[]

const carryOut = async ({store, now, keep, forget}: SetupDeps, event: CloudFormationCustomResourceEvent): Promise<void> => {
  if (event.RequestType === 'Delete') return forget(names)
  for (const name of names) {
    const {token} = await store.tokens.create({name: `first ${name}`, ...firstTokens[name]}, now())
    await keep(name, token)
  }
}

/** Makes the function. CloudFormation hears of a failure by its answer; a call fails only when that could not be given. */
export const createSetupFunction =
  (deps: SetupDeps) =>
  async (event: CloudFormationCustomResourceEvent): Promise<void> => {
    const {StackId, RequestId, LogicalResourceId} = event
    const failure = await carryOut(deps, event).then(
      () => undefined,
      (error: unknown) => error,
    )
    if (failure !== undefined) deps.log.error({err: failure, requestId: RequestId}, 'the first tokens could not be made')
    else deps.log.info({request: event.RequestType, requestId: RequestId}, 'first tokens')
    const response = {
      Status: failure === undefined ? 'SUCCESS' : 'FAILED',
      Reason: failure === undefined ? '' : `see the log of the setup function: ${String(failure)}`,
      PhysicalResourceId: 'first-tokens',
      StackId,
      RequestId,
      LogicalResourceId,
      NoEcho: true,
    } as CloudFormationCustomResourceResponse
    await deps.answer(event.ResponseURL, JSON.stringify(response))
  }
