// Text from elsewhere (log lines, reasons, names) made harmless for a terminal. Pure.

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
const colour = /\u001b\[[0-9;]*m/g
// C0 but tab, DEL, C1 (ECMA-48), and the direction overrides that can make text read as something else (Unicode TR 36 §2.10.2).
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
const control = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** Drops colours and shows every other control character as `\xNN` or `\u{…}`, so that none reaches the terminal. */
export const neutralise = (text: string): string =>
  text.replace(colour, '').replace(control, character => {
    const code = character.charCodeAt(0)
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
  })
