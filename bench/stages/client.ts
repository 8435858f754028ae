// A client of the API of a stage that a benchmark started, with the admin token that bootstrap left in the CLI's configuration.
import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {type Client, createClient} from '#shared/client.ts'
import type {Stage} from '#test/platform/stage.ts'

interface Configuration {
  readonly current: string
  readonly stages: Readonly<Record<string, {readonly api: string; readonly token: string}>>
}

export const stageClient = (stage: Stage): Client => {
  const {current, stages} = JSON.parse(readFileSync(join(stage.folder, 'config/gilliam/config.json'), 'utf8')) as Configuration
  const known = stages[current]
  if (known === undefined) throw new Error('bootstrap wrote no stage to the configuration')
  return createClient(known)
}
