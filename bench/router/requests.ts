// The requests of every load: what browsers send, to one of a thousand hosts.

export const routesCount = 1_000
export const hostOf = (index: number): string => `s${index}.example.com`
/** The host that the load asks for. */
export const askedHost = hostOf(500)

/** But for Host. */
export const headers: Readonly<Record<string, string>> = {
  'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
  Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
  'Accept-Language': 'en-US,en;q=0.5',
  'Accept-Encoding': 'gzip, deflate, br',
  Referer: 'https://www.example.com/somewhere',
  Cookie: `session=${'0123456789abcdef'.repeat(4)}; theme=dark; seen=1`,
  'Cache-Control': 'no-cache',
}

export const smallPath = '/users/1?full=1'

/** A whole GET; `target` is a path or, for a forward proxy, a URL. */
export const getRequest = (target: string, host = askedHost): string => {
  const lines = Object.entries({Host: host, ...headers}).map(([name, value]) => `${name}: ${value}`)
  return `GET ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`
}
