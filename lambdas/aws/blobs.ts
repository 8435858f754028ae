// Slugs on S3: signed URLs that take or give one blob. S3 itself checks what arrives; content never passes through here.
import {GetObjectCommand, HeadObjectCommand, NotFound, PutObjectCommand, S3Client} from '@aws-sdk/client-s3'
import {getSignedUrl} from '@aws-sdk/s3-request-presigner'
import type {BlobStore} from '#shared/ports.ts'
import {clientOptions} from './compose.ts'

export const urlLifetimeSeconds = 15 * 60
const checksumHeader = 'x-amz-checksum-sha256'

/** Where a slug is kept in the bucket. */
export const slugKey = (sha256: string): string => `slugs/${sha256}`

export interface BlobOptions {
  readonly client: S3Client
  readonly bucket: string
}

/** By default the SDK would sign a CRC32 of the empty body into each upload’s URL. */
export const createBlobClient = (): S3Client => new S3Client({...clientOptions, requestChecksumCalculation: 'WHEN_REQUIRED'})

const base64Of = (hex: string): string => Buffer.from(hex, 'hex').toString('base64')

/**
 * An upload's digest is a signed header: S3 compares it with the content, and ignores it where the SDK puts it by default, in the query. The length is
 * signed too, so that a URL for a small slug takes no large one.
 */
const upload = async ({client, bucket}: BlobOptions, sha256: string, bytes: number) => {
  const checksum = base64Of(sha256)
  const command = new PutObjectCommand({Bucket: bucket, Key: slugKey(sha256), ChecksumSHA256: checksum, ContentLength: bytes})
  const url = await getSignedUrl(client, command, {
    expiresIn: urlLifetimeSeconds,
    unhoistableHeaders: new Set([checksumHeader]),
    signableHeaders: new Set(['content-length', checksumHeader, 'host']),
  })
  return {url, headers: {[checksumHeader]: checksum}}
}

export const createS3Blobs = (options: BlobOptions): BlobStore => {
  const {client, bucket} = options
  const place = (sha256: string) => ({Bucket: bucket, Key: slugKey(sha256)})
  return {
    upload: (sha256, bytes) => upload(options, sha256, bytes),
    downloadUrl: sha256 => getSignedUrl(client, new GetObjectCommand(place(sha256)), {expiresIn: urlLifetimeSeconds}),
    size: async sha256 => {
      try {
        return (await client.send(new HeadObjectCommand(place(sha256)))).ContentLength
      } catch (error) {
        if (error instanceof NotFound) return undefined
        throw error
      }
    },
  }
}
