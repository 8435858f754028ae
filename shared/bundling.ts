// How bundles are made small in memory, whoever makes them: texts that lie beside a source, messages in other languages, Node's parts that nobody uses,
// characters that double a text. Knows nothing of which programs there are.
import http from 'node:http'
import type {Plugin} from 'esbuild'

const reading = /readFileSync\(new URL\('(\.{1,2}\/[A-Za-z0-9_.-]+)', import\.meta\.url\), 'utf8'\)/g

/** The source with each such call replaced by the text it would read; `read` gets the name as it stands there (`./redis.yml`). */
export const inlineTexts = (source: string, read: (name: string) => string): string =>
  source.replaceAll(reading, (_, name: string) => JSON.stringify(read(name)))

/** What node:http has at hand; what it would load first when asked (`WebSocket` and the like: all of undici) is behind getters. */
const httpNames = (): string[] =>
  Object.entries(Object.getOwnPropertyDescriptors(http)).flatMap(([name, {get}]) => (get === undefined ? name : []))

/** An `import` of node:http reads all that it exports, undici among it, which is 12 MB of every process; taking it as CommonJS does reads what is used. */
const httpAlone: Plugin = {
  name: 'http-alone',
  setup: ({onResolve, onLoad}) => {
    onResolve({filter: /^node:http$/}, ({path, kind}) => (kind === 'import-statement' ? {path, namespace: 'http-alone'} : undefined))
    onLoad({filter: /.*/, namespace: 'http-alone'}, () => ({
      contents: `const http = process.getBuiltinModule('node:http')\nexport default http\nexport const {${httpNames().join(', ')}} = http`,
    }))
  },
}

/** Zod brings its messages in fifty languages, a quarter of a bundle; ours are in English. */
const onlyEnglish: Plugin = {
  name: 'only-english',
  setup: ({onLoad}) => {
    onLoad({filter: /[/\\]zod[/\\]v4[/\\]locales[/\\]index\.js$/}, () => ({contents: "export {default as en} from './en.js'"}))
  },
}

/** For every bundle. */
export const smallPlugins: readonly Plugin[] = [onlyEnglish, httpAlone]

const commentLine = /^[ \t]*(?:\/\/|\/\*|\*).*[^\p{ASCII}].*$/gmu

/** A bundle whose comments are ASCII, as esbuild makes all else: with one character beyond Latin-1, V8 keeps two bytes for each of the whole text. */
export const asciiComments = (bundle: string): string => bundle.replace(commentLine, line => line.replace(/[^\p{ASCII}]/gu, '?'))
