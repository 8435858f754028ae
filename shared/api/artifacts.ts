// Requests and responses about uploaded slugs.
import {z} from 'zod'
import {Sha256} from './fields.ts'

export const slugBytesMax = 512 * 1_048_576
export const CreateArtifact = z.strictObject({sha256: Sha256, bytes: z.int().min(1).max(slugBytesMax)}).meta({id: 'CreateArtifact'})
export const Artifact = z
  .strictObject({
    sha256: Sha256,
    bytes: z.int(),
    stored: z.boolean(),
    uploadUrl: z.string().optional().describe('takes one PUT of exactly this content'),
    uploadHeaders: z.record(z.string(), z.string()).optional().describe('to send with that PUT, beside content-length'),
    downloadUrl: z.string().optional(),
  })
  .meta({id: 'Artifact'})
