// Looks for tokens and secrets in everything that a run of tests logs: what test files print, and every log file below the run's own temporary folder, read to
// its end even when its test has removed it. Owns what counts as a leak; runs no tests.
import {closeSync, fstatSync, globSync, openSync, readSync} from 'node:fs'
import {basename, join} from 'node:path'

/**
 * A token that works, in full, as the store draws them; and what tests give as the value of a secret, which is nobody's name for anything else.
 */
const leaks = /gil_(?:admin|user|join|executor|registry|discovery)_[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])|swordfish|opensesame/g
/** Longest of them: so much of one piece is looked at again with the next. */
const leakCharactersMax = 64
/** What an instance writes is its own affair. */
const isOurs = (path: string): boolean => !/(?:^|\/)(?:instances|node_modules|blobs|slugs)\//.test(path)
const pieceBytes = 65_536
const shownCharacters = 16

interface Followed {
  readonly fd: number
  readonly path: string
  offset: number
  rest: string
}

export class LeakWatch {
  readonly #folder: string
  readonly #files = new Map<string, Followed>()
  readonly #found = new Set<string>()
  readonly #printed = new Map<string, string>()
  #bytes = 0

  /** `folder` is where the run's processes keep their files. */
  constructor(folder: string) {
    this.#folder = folder
  }

  /** What was looked through, for the run to say. */
  get looked(): {readonly files: number; readonly bytes: number} {
    return {files: this.#files.size, bytes: this.#bytes}
  }

  /** A test file has printed this. */
  printed(file: string, text: string): void {
    this.#printed.set(file, this.#search(basename(file), (this.#printed.get(file) ?? '') + text))
    this.#bytes += text.length
  }

  /** Takes note of log files that are new, and reads what all have more. Call again and again; a file that came and went between two calls is missed. */
  look(): void {
    for (const path of globSync('**/*.log', {cwd: this.#folder}).filter(isOurs)) this.#follow(path)
    for (const followed of this.#files.values()) this.#read(followed)
  }

  /** Each leak once: where, and the beginning of what. */
  end(): readonly string[] {
    this.look()
    for (const {fd} of this.#files.values()) closeSync(fd)
    return [...this.#found].sort()
  }

  #follow(path: string): void {
    try {
      const fd = openSync(join(this.#folder, path), 'r')
      // A rotated log is another file under the same name.
      const key = `${fstatSync(fd).ino} ${path}`
      if (this.#files.has(key)) closeSync(fd)
      else this.#files.set(key, {fd, path, offset: 0, rest: ''})
    } catch {
      // Gone since it was listed.
    }
  }

  #read(followed: Followed): void {
    const piece = Buffer.alloc(pieceBytes)
    for (;;) {
      const bytes = readSync(followed.fd, piece, 0, pieceBytes, followed.offset)
      if (bytes === 0) return
      followed.offset += bytes
      this.#bytes += bytes
      followed.rest = this.#search(followed.path, followed.rest + piece.toString('latin1', 0, bytes))
    }
  }

  /** Answers what is to be looked at again with what comes next. */
  #search(where: string, text: string): string {
    for (const [leak] of text.matchAll(leaks)) this.#found.add(`${where}: ${leak.slice(0, shownCharacters)}…`)
    return text.slice(-leakCharactersMax)
  }
}
