// The live status of a stage in the foreground: one line on standard error, redrawn on a terminal, printed when it changes elsewhere.
import type {Client} from '#shared/client.ts'

const formationsShownMax = 20

/** One line: who is there and what runs. Never throws. */
export const describeStage = async (client: Client): Promise<string> => {
  try {
    const [executors, formations] = await Promise.all([
      client.call('listExecutors', {}, {triesMax: 1}),
      client.call('listFormations', {}, {triesMax: 1}),
    ])
    const names = formations.items.slice(0, formationsShownMax).map(formation => formation.name)
    const lists = await Promise.all(names.map(formation => client.call('listInstances', {params: {formation}}, {triesMax: 1})))
    const instances = lists.flatMap(list => list.items)
    const running = instances.filter(instance => instance.state === 'running').length
    const ready = executors.items.filter(executor => executor.state === 'ready').length
    const waiting = instances.length - running
    return [
      `${ready} of ${executors.items.length} executors ready`,
      `${formations.items.length} ${formations.items.length === 1 ? 'formation' : 'formations'}`,
      `${running} ${running === 1 ? 'instance' : 'instances'} running${waiting === 0 ? '' : `, ${waiting} not yet or no more`}`,
    ].join(' · ')
  } catch (error) {
    return `the control plane does not answer (${(error as Error).message})`
  }
}

export interface StatusLine {
  readonly show: (text: string) => void
  /** Ends the line, so that other output starts on its own. */
  readonly end: () => void
}

/** A line on `stream` that is replaced by the next one. */
export const createStatusLine = (stream: NodeJS.WriteStream): StatusLine => {
  let shown = ''
  return {
    show: text => {
      if (text === shown) return
      shown = text
      stream.write(stream.isTTY ? `\r\u001b[2K${text.slice(0, (stream.columns ?? 120) - 1)}` : `${text}\n`)
    },
    end: () => {
      if (stream.isTTY && shown !== '') stream.write('\n')
      shown = ''
    },
  }
}
