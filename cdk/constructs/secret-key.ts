// The key that seals the secrets of formations, and what functions may do with it: one seals, another opens. Also who may read what formations keep outside.
import {ArnFormat, RemovalPolicy, Stack} from 'aws-cdk-lib'
import {PolicyStatement} from 'aws-cdk-lib/aws-iam'
import {Key} from 'aws-cdk-lib/aws-kms'
import {Construct} from 'constructs'
import type {PlatformFunction} from './platform-function.ts'

export class SecretKey extends Construct {
  readonly #key: Key

  constructor(scope: Construct, id: string, stage: string) {
    super(scope, id)
    this.#key = new Key(this, 'Key', {
      description: `Gilliam ${stage}: secrets of formations`,
      enableKeyRotation: true,
      // Without it every secret is lost.
      removalPolicy: RemovalPolicy.RETAIN,
    })
  }

  #grant(fn: PlatformFunction, action: string): void {
    fn.addStatement(new PolicyStatement({actions: [action], resources: [this.#key.keyArn]}))
    fn.addEnvironment('GILLIAM_SECRET_KEY', this.#key.keyArn)
  }

  grantSeal(fn: PlatformFunction): void {
    this.#grant(fn, 'kms:GenerateDataKey')
  }

  grantOpen(fn: PlatformFunction): void {
    this.#grant(fn, 'kms:Decrypt')
  }
}

/** May read parameters and secrets of the stage’s formations: `/gilliam/<stage>/…` and `gilliam/<stage>/…` (lambdas/aws/secrets.ts). */
export const grantOutsideSecrets = (fn: PlatformFunction, stage: string): void => {
  const stack = Stack.of(fn)
  const parameters = stack.formatArn({service: 'ssm', resource: 'parameter', resourceName: `gilliam/${stage}/*`})
  const secrets = stack.formatArn({
    service: 'secretsmanager',
    resource: 'secret',
    resourceName: `gilliam/${stage}/*`,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  })
  fn.addStatement(new PolicyStatement({actions: ['ssm:GetParameter'], resources: [parameters]}))
  fn.addStatement(new PolicyStatement({actions: ['secretsmanager:GetSecretValue'], resources: [secrets]}))
}
