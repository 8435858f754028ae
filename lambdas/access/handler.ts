// The access function on AWS: reads the environment and the API's description, which the bundle has beside it, and makes the store.
import {readFileSync} from 'node:fs'
import {compose} from '#lambdas/aws/compose.ts'
import {type AccessDeps, createAccessFunction} from './index.ts'

type Description = AccessDeps['openapi'] & {readonly info: {readonly version: string}}

const openapi = JSON.parse(readFileSync(new URL('./openapi.json', import.meta.url), 'utf8')) as Description

export const handler = createAccessFunction({...compose('access', process.env), version: openapi.info.version, openapi})
