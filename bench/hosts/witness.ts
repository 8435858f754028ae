// Somebody on the client's host who looks at the control plane all the time and writes to it: what it says of instances and executors, and which writes it
// acknowledged. Runs as a program there (`node witness.ts CONFIG FORMATION…`); `Witness` starts it and keeps what it saw.
import {type ChildProcess, spawn} from 'node:child_process'
import {readFileSync} from 'node:fs'
import {createInterface} from 'node:readline'
import {setTimeout as sleep} from 'node:timers/promises'
import {fileURLToPath} from 'node:url'
import {type Client, createClient} from '#shared/client.ts'

const program = fileURLToPath(import.meta.url)
const lookEveryMs = 300
const writeEveryMs = 1_000
const once = {triesMax: 1, timeoutMs: 5_000} as const

export interface SeenInstance {
  readonly id: string
  readonly formation: string
  readonly service: string
  readonly release: number
  readonly state: string
  readonly executor?: string | undefined
  readonly reason?: string | undefined
}

/** What the control plane said at one moment, milliseconds since the epoch. */
export interface View {
  readonly at: number
  readonly instances: readonly SeenInstance[]
  readonly executors: Readonly<Record<string, string>>
}

type Line = {readonly view: View} | {readonly written: string} | {readonly silentAt: number}

const lookAt = async (client: Client, formations: readonly string[]): Promise<View> => {
  const at = Date.now()
  const [executors, ...lists] = await Promise.all([
    client.call('listExecutors', {}, once),
    ...formations.map(formation => client.call('listInstances', {params: {formation}, query: {}}, once)),
  ])
  const instances = lists.flatMap(({items}) =>
    items.map(({id, formation, service, release, state, executor, reason}) => ({id, formation, service, release, state, executor, reason})),
  )
  return {at, instances, executors: Object.fromEntries(executors.items.map(({id, state}) => [id, state]))}
}

const forever = async (everyMs: number, task: () => Promise<Line>): Promise<never> => {
  for (;;) {
    const at = Date.now()
    const line = await task().catch((): Line => ({silentAt: at}))
    process.stdout.write(`${JSON.stringify(line)}\n`)
    await sleep(everyMs)
  }
}

if (import.meta.main) {
  const [config = '', ...formations] = process.argv.slice(2)
  const {current, stages} = JSON.parse(readFileSync(config, 'utf8')) as {
    current: string
    stages: Record<string, {api: string; token: string}>
  }
  const {api, token} = stages[current] ?? {api: '', token: ''}
  const client = createClient({api, token})
  let written = 0
  void forever(lookEveryMs, async () => ({view: await lookAt(client, formations)}))
  void forever(writeEveryMs, async () => {
    const name = `note-${process.pid.toString(36)}-${written++}`
    await client.call('createFormation', {body: {name}}, once)
    return {written: name}
  })
}

export class Witness {
  readonly views: View[] = []
  /** Formations whose making was acknowledged. */
  readonly written: string[] = []
  /** When the control plane did not answer. */
  readonly silentAt: number[] = []
  readonly #child: ChildProcess

  constructor(prefix: readonly string[], config: string, formations: readonly string[], onView: (view: View) => void) {
    const [first = '', ...rest] = [...prefix, process.execPath, program, config, ...formations]
    this.#child = spawn(first, rest, {stdio: ['ignore', 'pipe', 'inherit'], env: {PATH: process.env.PATH ?? ''}})
    if (this.#child.stdout === null) return
    createInterface(this.#child.stdout).on('line', text => {
      const line = JSON.parse(text) as Line
      if ('view' in line) {
        this.views.push(line.view)
        onView(line.view)
      } else if ('written' in line) this.written.push(line.written)
      else this.silentAt.push(line.silentAt)
    })
  }

  end(): void {
    this.#child.kill('SIGKILL')
  }
}
