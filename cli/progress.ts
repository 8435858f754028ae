// Progress on stderr: a block that is redrawn on a terminal, plain lines of what changed elsewhere, both bounded. Owns cursor movement; knows nothing of instances.

export interface Progress {
  /** A line that stays. */
  readonly say: (line: string) => void
  /** Shows the lines under their keys: redrawn in place on a terminal; elsewhere only lines that are new or differ. */
  readonly show: (lines: ReadonlyMap<string, string>) => void
  /** Leaves what is shown as it is. */
  readonly end: () => void
}

interface Screen {
  readonly err: (text: string) => void
  readonly errIsTty: boolean
  readonly columns: number
}

/** A look shows at most this many lines; the rest is counted. */
export const blockLinesMax = 20

const bounded = (lines: readonly string[]): readonly string[] =>
  lines.length <= blockLinesMax ? lines : [...lines.slice(0, blockLinesMax - 1), `  … and ${lines.length - blockLinesMax + 1} more`]

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control sequences
const sequence = /\u001b\[[0-9;]*m/g

/** Cuts a line to a width, so that it can not wrap and spoil the count of lines; colours end with it. */
const cut = (line: string, columns: number): string =>
  line.replace(sequence, '').length <= columns ? line : `${line.replace(sequence, '').slice(0, Math.max(1, columns - 1))}…`

const createBlock = ({err, columns}: Screen): Progress => {
  let shown: readonly string[] = []
  const clear = () => {
    if (shown.length > 0) err(`\u001b[${shown.length}A\u001b[J`)
  }
  const draw = () => {
    if (shown.length > 0) err(`${shown.join('\n')}\n`)
  }
  return {
    say: line => {
      clear()
      err(`${line}\n`)
      draw()
    },
    show: lines => {
      const all = [...lines.values()].map(line => cut(line, columns))
      const next = bounded(all)
      if (next.join('\n') === shown.join('\n')) return
      clear()
      shown = next
      draw()
    },
    end: () => {
      shown = []
    },
  }
}

const createLines = ({err}: Screen): Progress => {
  const last = new Map<string, string>()
  return {
    say: line => err(`${line}\n`),
    show: lines => {
      const changed = [...lines].filter(([key, line]) => last.get(key) !== line)
      for (const [key, line] of changed) last.set(key, line)
      for (const line of bounded(changed.map(([, text]) => text))) err(`${line}\n`)
    },
    end: () => last.clear(),
  }
}

export const createProgress = (screen: Screen): Progress => (screen.errIsTty ? createBlock(screen) : createLines(screen))
