import cors from 'cors'
import express, { type Express } from 'express'
import { requireAuthentication, requireGroup, requireScope, requireToken } from '../src/verify/verify.ts'

const orders = [
  { id: 1842, item: 'Difference engine, brass', status: 'shipped' },
  { id: 1843, item: 'Punched cards, box of 500', status: 'packing' },
]

interface SampleApiOptions {
  issuer: string
  /** The API's own origin, which the proofs of tokens that are bound to a key (DPoP) have to name. */
  apiUrl: string
  spaOrigin: string
  /** The secret with which the API asks Portico whether the session of a token still exists (RFC 7662). */
  clientSecret: string
}

/** Creates the sample API: what an API developer writes to accept Portico's app tokens. */
export function createSampleApi({ issuer, apiUrl, spaOrigin, clientSecret }: SampleApiOptions): Express {
  const app = express().disable('x-powered-by')
  app.use(
    cors({
      origin: spaOrigin,
      allowedHeaders: ['Authorization', 'Content-Type', 'DPoP'],
      exposedHeaders: ['WWW-Authenticate', 'DPoP-Nonce'],
    }),
  )
  const introspection = { clientId: 'sample-api', clientSecret, cacheFor: 1_000 }
  app.use(requireToken({ issuer, publicUrl: apiUrl, introspection }))
  app.get('/orders', requireScope('orders:read'), (req, res) => {
    res.json({ for: req.auth?.sub, orders })
  })
  app.post('/orders', requireScope('orders:write'), (_req, res) => {
    res.status(201).json({ id: 1844, item: 'Demonstration order', status: 'new' })
  })
  // A payment needs a sign-in of the last minute, however long the session is.
  app.post('/payments', requireAuthentication({ maxAge: 60 }), (req, res) => {
    res.status(201).json({ id: 77, amount: '99.00 EUR', status: 'paid', by: req.auth?.sub })
  })
  app.get('/audit', requireGroup('Admins'), (_req, res) => {
    res.json({ entries: ['Only members of Admins see this.'] })
  })
  return app
}
