// Faults of an expression, told with the place in its text: line, column and a caret. Owns the shape of such a message.

/** A fault at a place of the text (UTF-16 units from its start). */
export class ExpressionFault extends Error {
  readonly at: number

  constructor(message: string, at: number) {
    super(message)
    this.name = 'ExpressionFault'
    this.at = at
  }
}

/** `MESSAGE (line 1, column 5)`, then the line with a caret beneath the place. */
export const located = (text: string, message: string, at: number): string => {
  const place = Math.max(0, Math.min(at, text.length))
  const lineStart = text.lastIndexOf('\n', place - 1) + 1
  const lineEnd = text.indexOf('\n', place)
  const line = text.slice(lineStart, lineEnd < 0 ? text.length : lineEnd)
  const number = text.slice(0, lineStart).split('\n').length
  const column = place - lineStart
  const indent = line.slice(0, column).replaceAll(/[^\t]/g, ' ')
  return `${message} (line ${number}, column ${column + 1})\n  ${line}\n  ${indent}^`
}
