// Slugs and dumps on S3: signed URLs that take or give one blob. S3 itself checks what arrives; content never passes through here.
import {DeleteObjectCommand, GetObjectCommand, HeadObjectCommand, NotFound, PutObjectCommand, S3Client} from '@aws-sdk/client-s3'
import {getSignedUrl} from '@aws-sdk/s3-request-presigner'
import type {SlugReference} from '#shared/domain/release.ts'
import {type BlobStore, type DumpStore, signedUrlMs} from '#shared/ports.ts'
import {clientOptions} from './compose.ts'

export const urlLifetimeSeconds = signedUrlMs / 1_000
const checksumHeader = 'x-amz-checksum-sha256'

/** Where a slug is kept in the bucket. */
export const slugKey = (sha256: string): string => `slugs/${sha256}`

/** Where a dump is. */
export const dumpKey = (name: string): string => `backups/${name}`

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
const upload = async ({client, bucket}: BlobOptions, key: string, {sha256, bytes}: SlugReference) => {
  const checksum = base64Of(sha256)
  const command = new PutObjectCommand({Bucket: bucket, Key: key, ChecksumSHA256: checksum, ContentLength: bytes})
  const url = await getSignedUrl(client, command, {
    expiresIn: urlLifetimeSeconds,
    unhoistableHeaders: new Set([checksumHeader]),
    signableHeaders: new Set(['content-length', checksumHeader, 'host']),
  })
  return {url, headers: {[checksumHeader]: checksum}}
}

const sizeOf = async ({client, bucket}: BlobOptions, key: string): Promise<number | undefined> => {
  try {
    return (await client.send(new HeadObjectCommand({Bucket: bucket, Key: key}))).ContentLength
  } catch (error) {
    if (error instanceof NotFound) return undefined
    throw error
  }
}

const downloadUrl = ({client, bucket}: BlobOptions, key: string): Promise<string> =>
  getSignedUrl(client, new GetObjectCommand({Bucket: bucket, Key: key}), {expiresIn: urlLifetimeSeconds})

export const createS3Blobs = (options: BlobOptions): BlobStore => ({
  upload: (sha256, bytes) => upload(options, slugKey(sha256), {sha256, bytes}),
  downloadUrl: sha256 => downloadUrl(options, slugKey(sha256)),
  size: sha256 => sizeOf(options, slugKey(sha256)),
})

/** The bucket keeps versions: what is removed can be brought back until those end. */
export const createS3Dumps = (options: BlobOptions): DumpStore => ({
  upload: (name, dump) => upload(options, dumpKey(name), dump),
  downloadUrl: name => downloadUrl(options, dumpKey(name)),
  size: name => sizeOf(options, dumpKey(name)),
  remove: async name => {
    await options.client.send(new DeleteObjectCommand({Bucket: options.bucket, Key: dumpKey(name)}))
  },
})
