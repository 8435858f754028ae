// The bucket of slugs and of dumps of backups: private, TLS only, versioned. Owns what a function may do with it: IAM and environment together.
import {Duration, RemovalPolicy} from 'aws-cdk-lib'
import {PolicyStatement} from 'aws-cdk-lib/aws-iam'
import {BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership} from 'aws-cdk-lib/aws-s3'
import {Construct} from 'constructs'
import type {PlatformFunction} from './platform-function.ts'

/** Where slugs are kept in it: lambdas/aws/blobs.ts. */
const slugs = 'slugs/*'
const dumps = 'backups/*'
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

  #grant(fn: PlatformFunction, actions: string[], places: readonly string[]): void {
    fn.addStatement(new PolicyStatement({actions, resources: places.map(place => this.bucket.arnForObjects(place))}))
    fn.addEnvironment('GILLIAM_SLUG_BUCKET', this.bucket.bucketName)
  }

  /** May ask whether a slug is there. */
  grantRead(fn: PlatformFunction): void {
    this.#grant(fn, ['s3:GetObject'], [slugs])
    this.#list(fn)
  }

  /** May sign URLs that take and give slugs and dumps: a URL can do what its signer can. */
  grantSign(fn: PlatformFunction): void {
    this.#grant(fn, ['s3:GetObject', 's3:PutObject'], [slugs, dumps])
    this.#list(fn)
  }

  /** May remove dumps; what is removed stays for `oldVersionsDays`. */
  grantRemove(fn: PlatformFunction): void {
    this.#grant(fn, ['s3:DeleteObject'], [dumps])
  }

  /** Without it S3 answers “forbidden” for what is not there. */
  #list(fn: PlatformFunction): void {
    fn.addStatement(new PolicyStatement({actions: ['s3:ListBucket'], resources: [this.bucket.bucketArn]}))
  }
}
