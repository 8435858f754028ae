// The access function on AWS: reads the environment and the API's description, which the bundle has beside it, and makes the store.
import {readFileSync} from 'node:fs'
import {compose} from '#lambdas/aws/compose.ts'
import {createKmsBox, createKmsClient} from '#lambdas/aws/secrets.ts'
import {read} from '#shared/config.ts'
import {type AccessDeps, createAccessFunction} from './index.ts'

type Description = AccessDeps['openapi'] & {readonly info: {readonly version: string}}

const openapi = JSON.parse(readFileSync(new URL('./openapi.json', import.meta.url), 'utf8')) as Description

const parts = compose('access', process.env)
const keyId = read(process.env, 'GILLIAM_SECRET_KEY')

export const handler = createAccessFunction({
  ...parts,
  version: openapi.info.version,
  openapi,
  ...(keyId !== '' && {box: createKmsBox({client: createKmsClient(), keyId, now: parts.now})}),
})
