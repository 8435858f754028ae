// The artifacts function on AWS: reads the environment, makes the clients, hands them over.
import {createBlobClient, createS3Blobs, createS3Dumps} from '#lambdas/aws/blobs.ts'
import {compose} from '#lambdas/aws/compose.ts'
import {required} from '#shared/config.ts'
import {createArtifactsFunction} from './index.ts'

const {env} = process

const place = {client: createBlobClient(), bucket: required(env, 'GILLIAM_SLUG_BUCKET')}

export const handler = createArtifactsFunction({
  ...compose('artifacts', env),
  blobs: createS3Blobs(place),
  dumps: createS3Dumps(place),
})
