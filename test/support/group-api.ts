import express from 'express'
import request from 'supertest'
import type { Clock } from '../../src/clock.ts'
import { type GroupSource, requireGroup, requireToken } from '../../src/verify/verify.ts'
import { publicUrl } from './portico.ts'

interface Issuer {
  /** The server that publishes the keys of app tokens. */
  url: string
  clock: Clock
}

/** Returns the status that an app token gets from an API for members of one of these groups. */
export async function enterAs(
  { url, clock }: Issuer,
  token: string,
  ...wanted: (string | GroupSource)[]
): Promise<number> {
  const api = express()
  api.use(requireToken({ issuer: publicUrl, jwksUri: `${url}/.well-known/jwks.json`, clock }))
  api.get('/', requireGroup(...wanted), (_req, res) => void res.json({}))
  return (await request(api).get('/').set('authorization', `Bearer ${token}`)).status
}
