// The bucket of slugs: private, TLS only, versioned. Owns what a function may do with it: IAM and environment together.
import {Duration, RemovalPolicy} from 'aws-cdk-lib'
import {PolicyStatement} from 'aws-cdk-lib/aws-iam'
import {BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership} from 'aws-cdk-lib/aws-s3'
import {Construct} from 'constructs'
import type {PlatformFunction} from './platform-function.ts'

/** Where slugs are kept in it: lambdas/aws/blobs.ts. */
const slugs = 'slugs/*'
/** What is deleted or replaced can be brought back for so long. */
const oldVersionsDays = 30
const abandonedUploadDays = 1

export class SlugBucket extends Construct {
  readonly bucket: Bucket

  constructor(scope: Construct, id: string) {
    super(scope, id)
    this.bucket = new Bucket(this, 'Bucket', {
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      encryption: BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      versioned: true,
      lifecycleRules: [
        {
          abortIncompleteMultipartUploadAfter: Duration.days(abandonedUploadDays),
          noncurrentVersionExpiration: Duration.days(oldVersionsDays),
          expiredObjectDeleteMarker: true,
        },
      ],
      removalPolicy: RemovalPolicy.RETAIN,
    })
  }

  #grant(fn: PlatformFunction, actions: string[]): void {
    fn.addStatement(new PolicyStatement({actions, resources: [this.bucket.arnForObjects(slugs)]}))
    // Without it S3 answers “forbidden” for a slug that is not there.
    fn.addStatement(new PolicyStatement({actions: ['s3:ListBucket'], resources: [this.bucket.bucketArn]}))
    fn.addEnvironment('GILLIAM_SLUG_BUCKET', this.bucket.bucketName)
  }

  /** May ask whether a slug is there. */
  grantRead(fn: PlatformFunction): void {
    this.#grant(fn, ['s3:GetObject'])
  }

  /** May sign URLs that take and give slugs: a URL can do what its signer can. */
  grantSign(fn: PlatformFunction): void {
    this.#grant(fn, ['s3:GetObject', 's3:PutObject'])
  }
}
