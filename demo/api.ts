import cors from 'cors'
import express, { type Express } from 'express'
import { requireAppToken, requireGroup, requireScope } from '../src/verify/verify.ts'

const orders = [
  { id: 1842, item: 'Difference engine, brass', status: 'shipped' },
  { id: 1843, item: 'Punched cards, box of 500', status: 'packing' },
]

interface SampleApiOptions {
  issuer: string
  spaOrigin: string
  /** The secret with which the API asks Portico whether the session of a token still exists (RFC 7662). */
  clientSecret: string
}

/** Creates the sample API: what an API developer writes to accept Portico's app tokens. */
export function createSampleApi({ issuer, spaOrigin, clientSecret }: SampleApiOptions): Express {
  const app = express().disable('x-powered-by')
  app.use(
    cors({ origin: spaOrigin, allowedHeaders: ['Authorization'], exposedHeaders: ['WWW-Authenticate'] }),
  )
  const introspection = { clientId: 'sample-api', clientSecret, cacheFor: 1_000 }
  app.use(requireAppToken({ issuer, introspection }))
  app.get('/orders', requireScope('orders:read'), (req, res) => {
    res.json({ for: req.appToken?.sub, orders })
  })
  app.post('/orders', requireScope('orders:write'), (_req, res) => {
    res.status(201).json({ id: 1844, item: 'Demonstration order', status: 'new' })
  })
  app.get('/audit', requireGroup('Admins'), (_req, res) => {
    res.json({ entries: ['Only members of Admins see this.'] })
  })
  return app
}
