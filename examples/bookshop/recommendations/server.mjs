// What a customer might like next: books on the topics they bought. Calls orders and catalog, and keeps answers in redis for a minute. Without redis it
// works all the same, only slower, and says so.
import {ask, me, serve} from '../service.mjs'
import {Redis} from './redis.mjs'

const keptSeconds = 60
const redis = new Redis(process.env.HTTP_PROXY, `_cache.${process.env.GILLIAM_FORMATION ?? 'bookshop'}.service:6379`)

const recommend = async username => {
  const {books} = await ask('orders', `/${encodeURIComponent(username)}`)
  const bought = new Set(books.map(book => book.id))
  const topics = [...new Set(books.map(book => book.topic))]
  const shelves = await Promise.all(topics.map(topic => ask('catalog', `/books?topic=${topic}`)))
  return shelves.flatMap(shelf => shelf.items.filter(book => !bought.has(book.id)).map(book => book.title))
}

/** `{value}` when redis knows it, `{}` when it does not, `{problem}` when redis can not be asked. */
const look = async key => {
  try {
    const text = await redis.call('GET', key)
    return text === undefined ? {} : {value: JSON.parse(text)}
  } catch (error) {
    return {problem: error.message}
  }
}

const remember = (key, value) =>
  redis.call('SET', key, JSON.stringify(value), 'EX', String(keptSeconds)).catch(error => console.error(`not cached: ${error.message}`))

serve(
  async path => {
    const username = path.slice(1)
    const {value, problem} = await look(`recommendations:${username}`)
    if (value !== undefined) return {username, books: value, cache: 'hit', servedBy: me}
    const books = await recommend(username)
    if (problem === undefined) await remember(`recommendations:${username}`, books)
    return {username, books, cache: problem === undefined ? 'miss' : `off: ${problem}`, servedBy: me}
  },
  () => redis.close(),
)
