import express from 'express'
import { createPortico } from 'portico-bff'

const portico = await createPortico()
const app = express()

app.use('/shop', portico.router)
app.get('/', portico.requireSession(), async (req, res) => {
  const { user } = await portico.session(req)
  res.type('text').send(`Hello ${user.name}`)
})
app.get('/orders', portico.requireSession({ scope: 'orders:read' }), async (req, res) => {
  const headers = { Authorization: `Bearer ${await portico.accessToken(req)}` }
  res.json(await (await fetch(process.env.ORDERS_API, { headers })).json())
})

const server = app.listen(process.env.PORT)
process.once('SIGTERM', () => server.close(() => portico.close()))
