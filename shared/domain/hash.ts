// A stable, well-mixed hash of texts for decisions that every process must make alike. Pure; not for secrets, not against people who search collisions.

/** 32 bits: FNV-1a over UTF-16 units, then the finaliser of MurmurHash3, without which similar texts would get similar numbers. */
const hash32 = (text: string): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** A number in (0, 1), the same for the same text everywhere and always. */
export const unitHash = (text: string): number => (hash32(text) + 0.5) / 2 ** 32
