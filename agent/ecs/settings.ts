// Where and as what the agent of a Fargate executor runs tasks: GILLIAM_FARGATE, checked once at start.
import {z} from 'zod'

const Fargate = z.strictObject({
  cluster: z.string().min(1).describe('name or ARN'),
  subnets: z.array(z.string()).min(1).max(16),
  securityGroups: z.array(z.string()).min(1).max(5),
  publicIp: z.boolean().default(false).describe('tasks in public subnets need one to get out'),
  executionRole: z.string().describe('ARN; pulls images and writes logs'),
  taskRole: z.string().optional().describe('ARN of the role that instances have; none by default'),
  logGroup: z.string(),
  region: z.string().describe('of the log group'),
  arch: z.enum(['ARM64', 'X86_64']).default('ARM64'),
  spot: z.boolean().default(false),
  stackImage: z
    .string()
    .optional()
    .describe('image that slugs are run in; needs sh, curl, tar and sha256sum. Without one slugs are refused'),
})

export type FargateSettings = Readonly<z.output<typeof Fargate>>

/** Throws an error of one line that names the field. */
export const readFargateSettings = (text: string): FargateSettings => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Error('GILLIAM_FARGATE is not JSON')
  }
  const parsed = Fargate.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new Error(`GILLIAM_FARGATE: ${issue?.path.join('.')} ${issue?.message}`)
}
