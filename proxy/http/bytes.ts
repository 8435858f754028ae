// Which bytes may stand where in a message (RFC 9110 §5, RFC 9112 §3), mostly as tables. Pure.

export const CR = 13
export const LF = 10
export const SP = 32
export const TAB = 9
export const COLON = 58

const table = (allows: (byte: number) => boolean): Uint8Array => Uint8Array.from({length: 256}, (_, byte) => (allows(byte) ? 1 : 0))

const tokenBytes = new Set(Buffer.from("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"))

/** tchar (RFC 9110 §5.6.2): names of methods and fields. */
export const tokenByte = table(byte => tokenBytes.has(byte))

/** Where the bytes end that may stand in a field's value or a reason phrase (RFC 9110 §5.5): space and above but DEL, and tabs. Faster than a table. */
export const textEnd = (bytes: Uint8Array, start: number, end: number): number => {
  let at = start
  for (; at < end; at++) {
    const byte = bytes[at] as number
    if (byte < SP ? byte !== TAB : byte === 127) break
  }
  return at
}

/** A request target: visible ASCII. `#` begins a fragment, which never travels (RFC 9112 §3.2). What else RFC 3986 forbids is escaped by routing. */
export const targetByte = table(byte => byte > SP && byte < 127 && byte !== 35)

/** Letters in lower case, and `_` as `-`: what some servers take for the same name. */
export const foldedByte = Uint8Array.from({length: 256}, (_, byte) => (byte >= 65 && byte <= 90 ? byte + 32 : byte === 95 ? 45 : byte))

/** The value of a hexadecimal digit; 255 for what is none. */
export const hexValue = Uint8Array.from({length: 256}, (_, byte) => {
  const digit = '0123456789abcdef'.indexOf(String.fromCharCode(byte).toLowerCase())
  return digit < 0 ? 255 : digit
})
