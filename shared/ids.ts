// Random ids of instances. Owns their alphabet and length; uniqueness is the store's business.
import {randomInt} from 'node:crypto'

const alphabet = '0123456789abcdefghijklmnopqrstuvwxyz'
export const instanceIdCharacters = 10

/** Ten random characters of [0-9a-z]: 51 bits. */
export const randomId = (): string => Array.from({length: instanceIdCharacters}, () => alphabet[randomInt(alphabet.length)]).join('')
