// `gilliam init`: writes a gilliam.yml for a project that has none, as its files tell how it is run.
import {writeFile} from 'node:fs/promises'
import {basename, join} from 'node:path'
import type {Command} from 'commander'
import {isName} from '#shared/domain/names.ts'
import {detect, detectable} from '../detect/detect.ts'
import {CommandError} from '../exit.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'

/** JSON strings are YAML's, and need no thought about what is special in them. */
const manifestOf = (formation: string, {script, build}: {script: string; build?: string}): string =>
  [
    `formation: ${formation}`,
    'processes:',
    '  web:',
    `    script: ${JSON.stringify(script)}`,
    ...(build === undefined ? [] : [`    build: ${JSON.stringify(build)}`]),
    '    ports: [80]',
    '',
  ].join('\n')

const init = async (session: Session): Promise<void> => {
  const {dir, manifestFile} = await session.project()
  if (manifestFile !== undefined) throw new CommandError('usage', `${manifestFile} is there already; change it, or remove it first.`)
  const found = await detect(dir)
  if (found === undefined)
    throw new CommandError(
      'usage',
      `The files in ${dir} do not tell how it is run; looked for ${detectable}. Write gilliam.yml by hand: docs/manifest.md.`,
    )
  const wanted = session.options.formation ?? basename(dir).toLowerCase()
  if (!isName(wanted))
    throw new CommandError(
      'usage',
      `“${wanted}” can not be a formation's name: lower-case letters, digits and dashes, at most 40, starting with a letter. Choose one: gilliam init -f NAME.`,
    )
  const file = join(dir, 'gilliam.yml')
  // A file that somebody wrote meanwhile stays.
  await writeFile(file, manifestOf(wanted, found), {flag: 'wx'})
  session.progress.say(`Detected ${found.what}: ${found.because}. Next: \`gilliam deploy\`.`)
  session.print(`${file}\n`, {file, formation: wanted, ...found})
}

export const addInit = (program: Command, world: World): void => {
  verb(program, 'init', 'Write a gilliam.yml for this project').action(act(world, session => init(session)))
}
