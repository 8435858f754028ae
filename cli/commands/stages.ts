// `gilliam stages`, `stages use`, `stages add`, `stages rm`: the installations of the platform this user knows.
import type {Command} from 'commander'
import {isName} from '#shared/domain/names.ts'
import {configDir, readConfig, removeStage, useStage, writeStage} from '../config.ts'
import {checkUrl, readToken} from '../credentials.ts'
import {CommandError} from '../exit.ts'
import {table} from '../render.ts'
import {noStageYet, type Session, type World} from '../session.ts'
import {act, verb} from '../verb.ts'

interface AddOptions {
  readonly api: string
  readonly tokenFile: string
  readonly router?: string
  readonly proxy?: string
}

/** Tokens are never shown. */
const show = async (session: Session): Promise<void> => {
  const {stages, current} = await readConfig(configDir(session.env))
  const items = Object.entries(stages).map(([name, {api, router, proxy}]) => ({
    name,
    current: name === current,
    api,
    ...(router === undefined ? {} : {router}),
    ...(proxy === undefined ? {} : {proxy}),
  }))
  const rows = items.map(item => [item.current ? '*' : '', item.name, item.api, item.router, item.proxy])
  session.print(table(['', 'name', 'api', 'router', 'proxy'], rows, session.paintOut), {items})
  if (items.length === 0) session.progress.say(noStageYet)
}

const add = async (session: Session, name: string, options: AddOptions): Promise<void> => {
  if (!isName(name))
    throw new CommandError('usage', `“${name}” is not a name: lower-case letters, digits and dashes, starting with a letter.`)
  const stage = {
    api: checkUrl(options.api, '--api'),
    token: await readToken(options.tokenFile, '--token-file'),
    ...(options.router === undefined ? {} : {router: checkUrl(options.router, '--router')}),
    ...(options.proxy === undefined ? {} : {proxy: checkUrl(options.proxy, '--proxy')}),
  }
  await writeStage(configDir(session.env), name, stage)
  session.progress.say(`Added stage ${name}. \`gilliam stages use ${name}\` makes it the current one.`)
  session.print('', {name, api: stage.api})
}

const use = async (session: Session, name: string): Promise<void> => {
  await useStage(configDir(session.env), name)
  session.progress.say(`Stage ${name} is current now.`)
  const {dir, remembered} = await session.project()
  if (remembered.stage !== undefined && remembered.stage !== name)
    session.progress.say(
      `The project in ${dir} keeps to stage ${remembered.stage}, which its .gilliam/ remembers; --stage ${name} overrides that.`,
    )
  session.print('', {name})
}

const remove = async (session: Session, name: string): Promise<void> => {
  await removeStage(configDir(session.env), name)
  session.progress.say(`Removed stage ${name} and its token from the configuration; the stage itself goes on.`)
  session.print('', {name})
}

export const addStages = (program: Command, world: World): void => {
  const stages = verb(program, 'stages', 'List stages').action(act(world, show))
  verb(stages, 'use', 'Make a stage the current one')
    .argument('<name>', 'as `gilliam stages` shows it')
    .action(act(world, (session, [name = '']) => use(session, name)))
  verb(stages, 'add', 'Add or replace a stage')
    .argument('<name>', 'how you want to call it')
    .requiredOption('--api <url>', 'its control plane')
    .requiredOption('--token-file <file>', 'a file that holds the token')
    .option('--router <url>', 'its router')
    .option('--proxy <url>', 'its proxy')
    .action(act<AddOptions>(world, (session, [name = ''], options) => add(session, name, options)))
  verb(stages, 'rm', 'Forget a stage')
    .argument('<name>', 'as `gilliam stages` shows it')
    .action(act(world, (session, [name = '']) => remove(session, name)))
}
