// A stage synthesised for tests: the stacks that cdk/app.ts deploys, with the flags of cdk.json and an empty folder in place of each bundle.
import {copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {App} from 'aws-cdk-lib'
import {Template} from 'aws-cdk-lib/assertions'
import {type Bundles, functionNames} from '#cdk/bundles.ts'
import {readStageOptions} from '#cdk/options.ts'
import {addStage} from '#cdk/stage.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const {context} = JSON.parse(readFileSync(join(root, 'cdk.json'), 'utf8')) as {context: Record<string, unknown>}

export interface Resource {
  readonly Type: string
  // biome-ignore lint/suspicious/noExplicitAny: CloudFormation's own shapes, looked into by tests
  readonly Properties: any
  readonly DeletionPolicy?: string
  readonly UpdateReplacePolicy?: string
}

export type Resources = Readonly<Record<string, Resource>>

export interface Synthesised {
  readonly state: Template
  readonly platform: Template
  readonly names: {readonly state: string; readonly platform: string}
  /** Resources of both stacks. */
  readonly resources: Resources
}

const stubs = (): {folder: string; bundles: Bundles} => {
  const folder = mkdtempSync(join(tmpdir(), 'gilliam-cdk-'))
  for (const name of [...functionNames, 'programs']) mkdirSync(join(folder, name))
  for (const name of functionNames) writeFileSync(join(folder, name, 'index.mjs'), '')
  for (const program of ['agent', 'agent-ecs', 'proxy']) writeFileSync(join(folder, 'programs', `${program}.mjs`), '')
  copyFileSync(join(root, 'Dockerfile'), join(folder, 'programs', 'Dockerfile'))
  return {folder, bundles: {functionFolder: name => join(folder, name), programFolder: join(folder, 'programs')}}
}

/** Synthesises a stage; throws when the built-in validator or a rule pack of cdk-nag finds something that is not acknowledged. */
export const synthesise = (options: Readonly<Record<string, string>> = {}): Synthesised => {
  const {folder, bundles} = stubs()
  try {
    const app = new App({context: {...context, 'aws:cdk:bundling-stacks': []}, outdir: join(folder, 'out')})
    const stage = addStage(app, {
      options: readStageOptions(name => options[name]),
      functions: functionNames,
      bundles,
      imageFolder: bundles.programFolder,
    })
    app.synth()
    const [state, platform] = [Template.fromStack(stage.state), Template.fromStack(stage.platform)]
    const names = {state: stage.state.stackName, platform: stage.platform.stackName}
    return {state, platform, names, resources: {...state.toJSON().Resources, ...platform.toJSON().Resources} as Resources}
  } finally {
    rmSync(folder, {recursive: true, force: true})
  }
}

/** Everything that a stage can have. */
export const everything = {
  executors: '3',
  spot: 'true',
  fargate: 'true',
  fargateSpot: 'true',
  fargateStackImage: 'public.ecr.aws/docker/library/node:24',
  fargateTaskRole: 'arn:aws:iam::111122223333:role/instances',
  certificate: 'arn:aws:acm:eu-west-1:111122223333:certificate/example',
  corsOrigins: 'https://console.example.com',
  alarmEmail: 'ops@example.com',
} as const
/** The control plane alone. */
export const smallest = {executors: '0', router: 'false', proxy: 'false', dashboard: 'false', reserve: 'false', secretKey: 'false'} as const

export const ofType = (resources: Resources, type: string): [string, Resource][] =>
  Object.entries(resources).filter(([, {Type}]) => Type === type)
