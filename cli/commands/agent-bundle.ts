// Where the agent's bundle is that a command works with.
import {existsSync} from 'node:fs'
import {join} from 'node:path'
import {CommandError} from '../exit.ts'
import type {World} from '../session.ts'

/** The file given, or the one that `./bootstrap` made. Throws when it is not there. */
export const agentBundle = ({bundles}: World, given: string | undefined): string => {
  const file = given ?? join(bundles, 'agent.mjs')
  if (existsSync(file)) return file
  throw new CommandError(
    'notFound',
    `There is no agent’s bundle ${file}. \`./bootstrap\` makes it, in its dist/; name another with --bundle.`,
  )
}
