// The customers. Calls orders (which calls catalog).
import {ask, me, Refusal, serve} from '../service.mjs'

const users = new Map([
  ['ada', {name: 'Ada Lovelace', city: 'London'}],
  ['grace', {name: 'Grace Hopper', city: 'New York'}],
  ['linus', {name: 'Linus Torvalds', city: 'Portland'}],
])

serve(async path => {
  if (path === '/') return {items: [...users.keys()], servedBy: me}
  const username = path.slice(1)
  const user = users.get(username)
  if (user === undefined) throw new Refusal(404, `no user called ${username}; / lists them`)
  const {books, total} = await ask('orders', `/${username}`)
  return {username, ...user, bought: books.map(book => book.title), spent: total, servedBy: me}
})
