// A stage's two stacks and the checks on them: what app.ts deploys and the tests look at.
import {type App, Tags, Validations} from 'aws-cdk-lib'
import {AwsSolutionsChecks, ServerlessChecks} from 'cdk-nag'
import {acknowledge} from './acknowledged.ts'
import type {Bundles} from './bundles.ts'
import type {StageOptions} from './options.ts'
import {PlatformStack} from './platform-stack.ts'
import {StateStack} from './state-stack.ts'

export interface StageProps {
  readonly options: StageOptions
  /** Folders of lambdas/, one function each. */
  readonly functions: readonly string[]
  readonly bundles: Bundles
  readonly imageFolder: string
}

export interface Stage {
  readonly state: StateStack
  readonly platform: PlatformStack
}

/** Adds the stacks, with rule packs that fail the synthesis. Region and account are the deployer's. */
export const addStage = (app: App, {options, functions: folders, bundles, imageFolder}: StageProps): Stage => {
  const functions = options.syncUrl ? [...folders, 'sync'] : folders
  const prefix = `gilliam-${options.stage}`
  const state = new StateStack(app, `${prefix}-state`, {options, functions, description: `Gilliam ${options.stage}: what must last`})
  const platform = new PlatformStack(app, `${prefix}-platform`, {
    options,
    state,
    functions,
    bundles,
    imageFolder,
    description: `Gilliam ${options.stage}: the platform`,
  })
  Tags.of(app).add('gilliam:stage', options.stage)
  acknowledge(options.stage, {state, platform})
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app), new ServerlessChecks(app))
  return {state, platform}
}
