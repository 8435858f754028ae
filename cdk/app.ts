// `cdk synth` and `cdk deploy`: reads the context, makes the bundles, adds the stage. The only file of cdk/ that looks at the world.
import {copyFileSync, mkdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {App} from 'aws-cdk-lib'
import {createOpenapi} from '#shared/openapi.ts'
import {functionNames, makeBundles} from './bundles.ts'
import {readStageOptions} from './options.ts'
import {addStage} from './stage.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const {version} = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {version: string}

const app = new App()
const options = readStageOptions(name => app.node.tryGetContext(name))
const bundles = await makeBundles(join(root, 'dist', 'aws'), createOpenapi({version}))
const imageFolder = join(root, 'dist', 'aws', 'image')
mkdirSync(imageFolder)
for (const [from, to] of [
  [join(root, 'Dockerfile'), 'Dockerfile'],
  [join(bundles.programFolder, 'proxy.mjs'), 'proxy.mjs'],
  [join(bundles.programFolder, 'agent-ecs.mjs'), 'agent-ecs.mjs'],
] as const)
  copyFileSync(from, join(imageFolder, to))
addStage(app, {options, functions: functionNames, bundles, imageFolder})
app.synth()
