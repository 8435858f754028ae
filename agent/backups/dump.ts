// Runs the command that dumps an instance's data, and writes what it says, gzipped, to a file: within a time and a size, or not at all. Knows no control plane.
import {createWriteStream} from 'node:fs'
import {PassThrough, type Readable} from 'node:stream'
import {pipeline} from 'node:stream/promises'
import {StringDecoder} from 'node:string_decoder'
import {createGzip} from 'node:zlib'
import {unlessAborted} from '#shared/abort.ts'
import {type Dump, dumpBytesMax} from '#shared/domain/backup.ts'
import {createMeter} from '#shared/meter.ts'
import type {Exit} from '../instance.ts'
import type {Execution} from '../runtime/runtime.ts'

/** Of what the command said last, in a reason. */
const lastWordsMax = 200
/** Of what it said, kept for its last line to be whole: a secret that was cut is not recognised. */
const keptCharactersMax = 16_384
/** What the command left behind may hold its output open, and say nothing, for so long after it has ended. */
const lingerMs = 5_000

/** The last line of what it says of errors, cleaned before anything is cut off; nothing of one that is not whole. */
const lastWordsOf = (stderr: Readable | undefined, clean: (text: string) => string): (() => string) => {
  const decoder = new StringDecoder('utf8')
  let [kept, isCut] = ['', false]
  stderr?.on('error', () => undefined)
  stderr?.on('data', (chunk: Buffer) => {
    kept += decoder.write(chunk)
    isCut ||= kept.length > keptCharactersMax
    kept = kept.slice(-keptCharactersMax)
  })
  return () => {
    const lines = clean(kept).trim().split('\n')
    const last = isCut && lines.length === 1 ? '' : (lines.at(-1) ?? '')
    return last.replaceAll(/\p{C}/gu, ' ').slice(0, lastWordsMax)
  }
}

export interface DumpTerms {
  /** Packed. */
  readonly bytesMax?: number
  /** Takes out of what the command says what is not to be told. */
  readonly clean?: (text: string) => string
}

const why = ({code, oom, reason}: Exit, words: string): string => {
  if (reason !== undefined) return `the dump command can not be run: ${reason}`
  const how = oom === true ? 'ran out of memory' : `ended with exit code ${code ?? 'unknown'}`
  return `the dump command ${how}${words === '' ? '' : `: ${words}`}`
}

/** Breaks an output off that stays open after the command has ended: without its end nobody knows whether the dump is whole. */
const breakOff = (stdout: Readable, ended: Promise<unknown>): (() => void) => {
  let timer: NodeJS.Timeout | undefined
  let isOver = false
  const wait = (): void => {
    clearTimeout(timer)
    if (!isOver) timer = setTimeout(() => stdout.destroy(new Error('what the dump command left behind holds its output open')), lingerMs)
  }
  void ended.then(() => {
    wait()
    stdout.on('data', wait)
  })
  return () => {
    isOver = true
    clearTimeout(timer)
  }
}

/**
 * Rejects with a reason for people when the command fails, writes nothing or more than `bytesMax` packed bytes, or `signal` is aborted; nothing of it runs on
 * then. The file is whole when this resolves.
 */
export const takeDump = async (execution: Execution, file: string, signal: AbortSignal, terms: DumpTerms = {}): Promise<Dump> => {
  const {bytesMax = dumpBytesMax, clean = text => text} = terms
  const {stdin, stdout, stderr, ended} = execution
  const words = lastWordsOf(stderr, clean)
  const meter = createMeter(bytesMax, () => new Error(`the dump has more than ${bytesMax} bytes when packed`))
  let isEmpty = true
  const looked = new PassThrough().once('data', () => {
    isEmpty = false
  })
  stdin.end()
  const stop = breakOff(stdout, ended)
  try {
    const written = pipeline(stdout, looked, createGzip({level: 6}), meter.stream, createWriteStream(file, {mode: 0o600}), {signal})
    await written
    // It may have closed its output, and run on.
    const exit = await unlessAborted(ended, signal)
    if (exit.code !== 0) throw new Error(why(exit, words()))
    if (isEmpty) throw new Error('the dump command wrote nothing')
    return meter.result()
  } catch (error) {
    execution.kill()
    signal.throwIfAborted()
    throw error
  } finally {
    stop()
  }
}
