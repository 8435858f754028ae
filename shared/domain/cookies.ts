// Cookies of a request, read one at a time (RFC 6265 §4.2.1). Pure.

/** The value of the first cookie of this name in the values of the Cookie header, without surrounding quotes; undefined when there is none. */
export const cookieOf = (headers: readonly string[], name: string): string | undefined => {
  for (const header of headers) {
    for (const pair of header.split(';')) {
      const equals = pair.indexOf('=')
      if (equals < 0 || pair.slice(0, equals).trim() !== name) continue
      const value = pair.slice(equals + 1).trim()
      return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value
    }
  }
  return undefined
}
