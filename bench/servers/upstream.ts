import { createServer } from 'node:http'

/**
 * The stub upstream: an API behind the servers under measurement. `/orders/...` needs a token, and
 * `/pages/...` the name of a user; without it, the answer is 401, and the run ends.
 */
const order = JSON.stringify({ order: 1, item: 'ink', amount: 12, currency: 'EUR' })
const answer = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(order) }

const server = createServer((req, res) => {
  const { url = '', headers } = req
  const mayPass = url.startsWith('/orders/')
    ? /^Bearer [\w-]+\.[\w-]+\.[\w-]+$/.test(headers.authorization ?? '')
    : headers['x-user'] !== undefined
  if (mayPass || url === '/ready') res.writeHead(200, answer).end(order)
  else res.writeHead(401).end()
})
// Longer than a server under measurement waits for its turn: a connection that closes then would be an error.
server.keepAliveTimeout = 600_000
server.listen(Number(process.env.PORT), '127.0.0.1')
