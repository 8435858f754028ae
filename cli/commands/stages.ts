// `gilliam stages`, `stages use`, `stages add`: the installations of the platform this user knows.
import {readFile} from 'node:fs/promises'
import type {Command} from 'commander'
import {isName} from '#shared/domain/names.ts'
import {configDir, readConfig, useStage, writeStage} from '../config.ts'
import {CommandError} from '../exit.ts'
import {table} from '../render.ts'
import type {Session, World} from '../session.ts'
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
}

const urlOf = (text: string, option: string): string => {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return text
  throw new CommandError('usage', `${option} must be a URL that starts with http:// or https://, not “${text}”.`)
}

const readToken = async (file: string): Promise<string> => {
  const token = await readFile(file, 'utf8').then(
    text => text.trim(),
    (error: Error) => {
      throw new CommandError('usage', `Can not read the token: ${error.message}`)
    },
  )
  if (!/^\S+$/.test(token)) throw new CommandError('usage', `${file} must hold one token and nothing else.`)
  return token
}

const add = async (session: Session, name: string, options: AddOptions): Promise<void> => {
  if (!isName(name))
    throw new CommandError('usage', `“${name}” is not a name: lower-case letters, digits and dashes, starting with a letter.`)
  const stage = {
    api: urlOf(options.api, '--api'),
    token: await readToken(options.tokenFile),
    ...(options.router === undefined ? {} : {router: urlOf(options.router, '--router')}),
    ...(options.proxy === undefined ? {} : {proxy: urlOf(options.proxy, '--proxy')}),
  }
  await writeStage(configDir(session.env), name, stage)
  session.progress.say(`Added stage ${name}. \`gilliam stages use ${name}\` makes it the current one.`)
  session.print('', {name, api: stage.api})
}

const use = async (session: Session, name: string): Promise<void> => {
  await useStage(configDir(session.env), name)
  session.progress.say(`Stage ${name} is current now.`)
  session.print('', {name})
}

export const addStages = (program: Command, world: World): void => {
  const stages = verb(program, 'stages', 'List stages').action(act(world, show))
  verb(stages, 'use', 'Make a stage the current one')
    .argument('<name>')
    .action(act(world, (session, [name = '']) => use(session, name)))
  verb(stages, 'add', 'Add or replace a stage')
    .argument('<name>')
    .requiredOption('--api <url>', 'its control plane')
    .requiredOption('--token-file <file>', 'a file that holds the token')
    .option('--router <url>', 'its router')
    .option('--proxy <url>', 'its proxy')
    .action(act<AddOptions>(world, (session, [name = ''], options) => add(session, name, options)))
}
