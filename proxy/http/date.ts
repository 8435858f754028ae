// The present time as HTTP writes it (RFC 9110 §5.6.7), made once per second.

export const createHttpDate = (now: () => number): (() => string) => {
  let second = -1
  let text = ''
  return () => {
    const current = Math.floor(now() / 1_000)
    if (current !== second) {
      second = current
      text = new Date(current * 1_000).toUTCString()
    }
    return text
  }
}
