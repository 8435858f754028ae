// The function URL that agents sync by, in place of API Gateway, which would cost more than all the rest of a sync. AWS lets everybody in (`NONE`): the function
// takes syncs with a token of an executor and nothing else (lambdas/executors/door.ts), is throttled by its reserved concurrency, and has a role of its own.
import {FunctionUrl, FunctionUrlAuthType, InvokeMode} from 'aws-cdk-lib/aws-lambda'
import {Construct} from 'constructs'
import type {PlatformFunction} from './platform-function.ts'

export class SyncUrl extends Construct {
  readonly #url: FunctionUrl

  constructor(scope: Construct, id: string, sync: PlatformFunction) {
    super(scope, id)
    this.#url = new FunctionUrl(this, 'Url', {
      function: sync.lambda,
      authType: FunctionUrlAuthType.NONE,
      invokeMode: InvokeMode.BUFFERED,
    })
  }

  /** Has it told to agents, in the answers of the API. */
  tell(executors: PlatformFunction): void {
    executors.addEnvironment('GILLIAM_SYNC_URL', this.#url.url)
  }
}
