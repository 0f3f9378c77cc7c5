import express from 'express'

/** The measure of all ratios: an Express app that answers and does nothing else. */
const app = express()
app.get('/', (_req, res) => void res.json({ ok: true }))
app.listen(Number(process.env.PORT), '127.0.0.1')
