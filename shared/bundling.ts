// Texts that lie beside a source file, for bundles: what the source reads when it starts is put in as it is. Pure.

const reading = /readFileSync\(new URL\('(\.\/[A-Za-z0-9_.-]+)', import\.meta\.url\), 'utf8'\)/g

/** The source with each such call replaced by the text it would read; `read` gets the name as it stands there (`./redis.yml`). */
export const inlineTexts = (source: string, read: (name: string) => string): string =>
  source.replaceAll(reading, (_, name: string) => JSON.stringify(read(name)))
