// Secrets on AWS, over the real clients: a server on 127.0.0.1 that speaks the protocols of KMS, Parameter Store and Secrets Manager as far as we use them.
import assert from 'node:assert/strict'
import {createHash, randomBytes} from 'node:crypto'
import {once} from 'node:events'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {after, before, beforeEach, describe, it} from 'node:test'
import {KMSClient} from '@aws-sdk/client-kms'
import {SecretsManagerClient} from '@aws-sdk/client-secrets-manager'
import {SSMClient} from '@aws-sdk/client-ssm'
import {createKmsBox, createOutsideSecrets} from '#lambdas/aws/secrets.ts'
import {GilliamError} from '#shared/errors.ts'

interface Asked {
  readonly target: string
  readonly body: Record<string, unknown>
}

type Answer = {readonly status: number; readonly body: object}

describe('secrets on AWS', () => {
  const asked: Asked[] = []
  const dataKeys = new Map<string, {key: Buffer; context: string}>()
  const values: Record<string, string> = {'/gilliam/prod/crm/db': 'from-ssm', 'gilliam/prod/crm/vendor': 'from-sm'}
  let fault: Answer | undefined
  const contextOf = ({EncryptionContext}: Record<string, unknown>): string => JSON.stringify(EncryptionContext)
  const error = (type: string, status = 400): Answer => ({status, body: {__type: type, message: 'no'}})
  const down = error('InternalFailure', 500)
  const denied = error('AccessDeniedException')

  const targets: Record<string, (body: Record<string, unknown>) => Answer> = {
    'TrentService.GenerateDataKey': body => {
      const [key, blob] = [randomBytes(32), randomBytes(64).toString('base64')]
      dataKeys.set(blob, {key, context: contextOf(body)})
      return {status: 200, body: {Plaintext: key.toString('base64'), CiphertextBlob: blob, KeyId: body.KeyId}}
    },
    'TrentService.Decrypt': body => {
      const held = dataKeys.get(String(body.CiphertextBlob))
      if (held === undefined || held.context !== contextOf(body)) return error('InvalidCiphertextException')
      return {status: 200, body: {Plaintext: held.key.toString('base64'), KeyId: body.KeyId}}
    },
    'AmazonSSM.GetParameter': ({Name}) => {
      const value = values[String(Name)]
      return value === undefined ? error('ParameterNotFound') : {status: 200, body: {Parameter: {Name, Value: value}}}
    },
    'secretsmanager.GetSecretValue': ({SecretId}) => {
      const value = values[String(SecretId)]
      return value === undefined ? error('ResourceNotFoundException') : {status: 200, body: {Name: SecretId, SecretString: value}}
    },
  }

  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += String(chunk)
    const target = String(request.headers['x-amz-target'])
    const body = JSON.parse(text) as Record<string, unknown>
    asked.push({target, body})
    const answer = fault ?? targets[target]?.(body) ?? error('UnknownOperationException')
    response.writeHead(answer.status, {'content-type': 'application/x-amz-json-1.1'}).end(JSON.stringify(answer.body))
  })
  const clock = {now: 1_000}
  const now = () => clock.now
  let options: {endpoint: string; region: string; maxAttempts: number; credentials: {accessKeyId: string; secretAccessKey: string}}
  before(async () => {
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    options = {endpoint, region: 'local', credentials: {accessKeyId: 'local', secretAccessKey: 'local'}, maxAttempts: 1}
  })
  after(async () => {
    server.closeAllConnections()
    await once(server.close(), 'close')
  })
  beforeEach(() => {
    asked.length = 0
    fault = undefined
  })
  const context = {stage: 'prod', formation: 'crm', secret: 'db'}
  const box = () => createKmsBox({client: new KMSClient(options), keyId: 'alias/gilliam', now})
  const isUnavailable = (thrown: unknown): boolean => thrown instanceof GilliamError && thrown.code === 'unavailable'

  it('are sealed with a data key of their own, that KMS opens for the same thing only', async () => {
    const sealed = await box().seal('hunter2', context)
    assert.deepEqual(asked[0]?.body, {KeyId: 'alias/gilliam', KeySpec: 'AES_256', EncryptionContext: context})
    assert.ok(!JSON.stringify([sealed, asked]).includes('hunter2'), 'the value goes nowhere')
    assert.equal(await box().open(sealed, context), 'hunter2')
    assert.deepEqual(await box().open(sealed, {...context, formation: 'shop'}), {denied: 'is refused by KMS (InvalidCiphertextException)'})
    const other = await box().seal('hunter2', context)
    assert.notEqual(createHash('sha256').update(other.key).digest('hex'), createHash('sha256').update(sealed.key).digest('hex'))
  })

  it('cost one call of KMS while a function is warm, and a failure is not remembered', async () => {
    const sealed = await box().seal('hunter2', context)
    const warm = box()
    fault = down
    await assert.rejects(warm.open(sealed, context), isUnavailable)
    fault = undefined
    fault = denied
    assert.deepEqual(await warm.open(sealed, context), {denied: 'is refused by KMS (AccessDeniedException)'})
    fault = undefined
    const calls = () => asked.filter(({target}) => target.endsWith('Decrypt')).length
    const before = calls()
    for (let times = 0; times < 5; times++) assert.equal(await warm.open(sealed, context), 'hunter2')
    assert.equal(calls(), before + 1)
    clock.now += 300_000
    await warm.open(sealed, context)
    assert.equal(calls(), before + 2)
  })

  it('are read outside below the place of their formation', async () => {
    const outside = createOutsideSecrets({
      ssm: new SSMClient(options),
      secretsManager: new SecretsManagerClient(options),
      stage: 'prod',
      now,
    })
    assert.equal(await outside.read('ssm', 'crm', 'db'), 'from-ssm')
    assert.equal(await outside.read('secretsmanager', 'crm', 'vendor'), 'from-sm')
    assert.equal(await outside.read('ssm', 'shop', 'db'), undefined)
    assert.equal(await outside.read('secretsmanager', 'shop', 'vendor'), undefined)
    assert.deepEqual(asked[0]?.body, {Name: '/gilliam/prod/crm/db', WithDecryption: true})
    const calls = asked.length
    await outside.read('ssm', 'crm', 'db')
    assert.equal(asked.length, calls, 'a value is used again for a moment')
    fault = down
    await assert.rejects(outside.read('ssm', 'crm', 'other'), isUnavailable)
    await assert.rejects(outside.read('secretsmanager', 'crm', 'other'), isUnavailable)
    fault = denied
    assert.deepEqual(await outside.read('ssm', 'crm', 'other'), {denied: 'is refused by Parameter Store (AccessDeniedException)'})
    assert.deepEqual(await outside.read('secretsmanager', 'crm', 'other'), {
      denied: 'is refused by Secrets Manager (AccessDeniedException)',
    })
    fault = undefined
    assert.equal(await outside.read('ssm', 'crm', 'other'), undefined, 'a refusal is not remembered')
  })
})
