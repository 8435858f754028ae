// The setup function on AWS: keeps secrets as SecureString parameters and answers CloudFormation.
import {DeleteParametersCommand, PutParameterCommand, SSMClient} from '@aws-sdk/client-ssm'
import {clientOptions, compose} from '#lambdas/aws/compose.ts'
import {required} from '#shared/config.ts'
import {createSetupFunction} from './index.ts'

const {env} = process
const ssm = new SSMClient(clientOptions)
const path = required(env, 'GILLIAM_TOKEN_PATH')
const answerTimeoutMs = 10_000

export const handler = createSetupFunction({
  ...compose('setup', env),
  keep: async (name, secret) => {
    await ssm.send(new PutParameterCommand({Name: `${path}/${name}`, Value: secret, Type: 'SecureString', Overwrite: true}))
  },
  forget: async names => {
    await ssm.send(new DeleteParametersCommand({Names: names.map(name => `${path}/${name}`)}))
  },
  answer: async (url, body) => {
    const {ok, status} = await fetch(url, {method: 'PUT', body, signal: AbortSignal.timeout(answerTimeoutMs)})
    if (!ok) throw new Error(`CloudFormation answered ${status}`)
  },
})
