// Makes the templates of a stage: the stacks that cdk/app.ts deploys, with the flags of cdk.json and an empty folder in place of each bundle. Takes seconds,
// and loads all of CDK: tests ask test/cdk/stage.ts, which does it once.
import {copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {App} from 'aws-cdk-lib'
import {Template} from 'aws-cdk-lib/assertions'
import {type Bundles, functionNames} from '#cdk/bundles.ts'
import {readStageOptions} from '#cdk/options.ts'
import {addStage} from '#cdk/stage.ts'
import type {Resources} from './stage.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

const stubs = (): {folder: string; bundles: Bundles} => {
  const folder = mkdtempSync(join(tmpdir(), 'gilliam-cdk-'))
  for (const name of [...functionNames, 'programs']) mkdirSync(join(folder, name))
  for (const name of functionNames) writeFileSync(join(folder, name, 'index.mjs'), '')
  for (const program of ['agent', 'agent-ecs', 'proxy']) writeFileSync(join(folder, 'programs', `${program}.mjs`), '')
  copyFileSync(join(root, 'Dockerfile'), join(folder, 'programs', 'Dockerfile'))
  return {folder, bundles: {functionFolder: name => join(folder, name), programFolder: join(folder, 'programs')}}
}

interface Templates {
  readonly state: Template
  readonly platform: Template
}

const templatesOf = (options: Readonly<Record<string, string>>): Templates => {
  const {context} = JSON.parse(readFileSync(join(root, 'cdk.json'), 'utf8')) as {context: Record<string, unknown>}
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
    return {state: Template.fromStack(stage.state), platform: Template.fromStack(stage.platform)}
  } finally {
    rmSync(folder, {recursive: true, force: true})
  }
}

/** Synthesises a stage; throws when the built-in validator or a rule pack of cdk-nag finds something that is not acknowledged. Answers all its resources. */
export const synthesise = (options: Readonly<Record<string, string>>): Resources => {
  const {state, platform} = templatesOf(options)
  return {...state.toJSON().Resources, ...platform.toJSON().Resources} as Resources
}

/** What a stage puts out when it is deployed, by name. */
export const synthesiseOutputs = (options: Readonly<Record<string, string>>): Readonly<Record<string, {readonly Value: unknown}>> => {
  const {state, platform} = templatesOf(options)
  return {...state.toJSON().Outputs, ...platform.toJSON().Outputs}
}
