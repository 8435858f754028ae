// The shop's front: two pages of HTML, made of what catalog, users and recommendations answer.
import {ask, me, Refusal, serve} from '../service.mjs'

const entities = {'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;'}
const text = value => String(value).replace(/[&<>"]/g, character => entities[character])
const list = items => `<ul>${items.map(item => `<li>${item}</li>`).join('')}</ul>`
const page = (title, body) =>
  `<!doctype html><meta charset="utf-8"><title>${text(title)}</title><h1>${text(title)}</h1>${body}<footer>served by ${text(me)}</footer>\n`

const front = async () => {
  const [books, users] = await Promise.all([ask('catalog', '/books'), ask('users', '/')])
  return page(
    'Bookshop',
    list(books.items.map(book => `${text(book.title)}, ${text(book.author)}: £${book.price}`)) +
      list(users.items.map(user => `<a href="/for/${text(user)}">for ${text(user)}</a>`)),
  )
}

const forUser = async username => {
  const [user, advice] = await Promise.all([ask('users', `/${username}`), ask('recommendations', `/${username}`)])
  return page(`Hello, ${user.name}`, `<p>You might like</p>${list(advice.books.map(text))}<p>(cache: ${text(advice.cache)})</p>`)
}

serve(path => {
  if (path === '/') return front()
  if (path.startsWith('/for/')) return forUser(encodeURIComponent(path.slice('/for/'.length)))
  throw new Refusal(404, `nothing at ${path}; try /`)
})
