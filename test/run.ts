// `npm test`: runs every test file, prints what was skipped and why, and ends with one line of counts. Owns how tests are run, not what they test.
//
//   npm test                     everything
//   npm test -- agent proxy/     only files whose path contains one of the words
import {chmodSync, globSync, mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join, relative} from 'node:path'
import {run} from 'node:test'
import {spec} from 'node:test/reporters'
import {fileURLToPath} from 'node:url'
import {LeakWatch} from './leaks.ts'

/** Files at once. Most of a file’s time is waiting for real processes; more than this make those miss their deadlines on two cores. */
const filesAtOnce = 3
/**
 * The platform's longest wait is for an executor's lease. A file that leaves something open behind its last test fails by it: the runner's
 * `forceExit` would end such a file instead, but loses results of tests that had not been told yet.
 */
const testTimeoutMs = 180_000

/** Between two looks at the log files of what runs, at least; and a look is at most this part of the time. */
const lookMs = 1_000
const lookShare = 0.05

const root = fileURLToPath(new URL('..', import.meta.url))
/** Files that take long start first, so that none of them runs alone at the end. */
const isLong = (file: string): boolean => file.startsWith('test/platform/')

const select = (words: readonly string[]): string[] => {
  const all = globSync('test/**/*.test.ts', {cwd: root}).sort()
  const chosen = words.length === 0 ? all : all.filter(file => words.some(word => file.includes(word)))
  return [...chosen.filter(isLong), ...chosen.filter(file => !isLong(file))]
}

interface Counts {
  passed: number
  failed: number
  readonly skipped: string[]
}

/** A suite that failed only because a test in it did, which was counted by itself. */
const isConsequence = (error: unknown): boolean =>
  error instanceof Error && 'failureType' in error && error.failureType === 'subtestsFailed'

/** Runs the files with the spec reporter on stdout; resolves when all of them are over. */
const runFiles = async (files: readonly string[], watch: LeakWatch): Promise<Counts> => {
  const counts: Counts = {passed: 0, failed: 0, skipped: []}
  const events = run({files: files.map(file => `${root}${file}`), concurrency: filesAtOnce, timeout: testTimeoutMs})
  events.on('test:pass', ({name, file, skip, details}) => {
    if (skip !== undefined && skip !== false)
      counts.skipped.push(`${relative(root, file ?? '')}: ${name}: ${skip === true ? 'no reason given' : skip}`)
    else if (details.type !== 'suite') counts.passed += 1
  })
  events.on('test:fail', ({details, todo}) => {
    if (todo === undefined && !isConsequence(details.error)) counts.failed += 1
  })
  for (const name of ['test:stdout', 'test:stderr'] as const)
    events.on(name, ({file, message}) => watch.printed(relative(root, file ?? ''), message))
  for await (const text of events.compose(spec)) process.stdout.write(text)
  return counts
}

/** Looks again and again; answers how to end it. */
const keepLooking = (watch: LeakWatch): (() => void) => {
  let timer: NodeJS.Timeout
  const next = (tookMs: number): void => {
    timer = setTimeout(
      () => {
        const startedAt = performance.now()
        watch.look()
        next(performance.now() - startedAt)
      },
      Math.max(lookMs, tookMs / lookShare),
    )
  }
  next(0)
  return () => clearTimeout(timer)
}

const files = select(process.argv.slice(2))
if (files.length === 0) {
  console.error(`No test file matches ${process.argv.slice(2).join(' ')}`)
  process.exit(2)
}
// Whatever the run's processes keep is below one folder. Its name is short: sockets lie in it.
const folder = mkdtempSync(join(tmpdir(), 'gt-'))
// Some tests start programs as another user, which must get to their files below.
chmodSync(folder, 0o711)
process.env.TMPDIR = folder
const watch = new LeakWatch(folder)
const stopLooking = keepLooking(watch)
const {passed, failed, skipped} = await runFiles(files, watch)
stopLooking()
const leaked = watch.end()
rmSync(folder, {recursive: true, force: true, maxRetries: 3})
if (leaked.length > 0) console.log(`\ntokens or secrets in logs:\n${leaked.map(line => `  ${line}`).join('\n')}\n`)
console.log(
  `looked for tokens and secrets in ${watch.looked.files} log files and what tests print, ${watch.looked.bytes} bytes: ${leaked.length} found`,
)
if (skipped.length > 0) console.log(`\nskipped:\n${skipped.map(line => `  ${line}`).join('\n')}\n`)
console.log(`${passed} passed, ${failed} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ''}`)
process.exit(failed > 0 || passed === 0 || leaked.length > 0 ? 1 : 0)
