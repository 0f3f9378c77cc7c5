import { generateKeyPair, generateProof } from 'dpop'
import express, { type RequestHandler, Router } from 'express'
import type { Attempt } from './spa/types.ts'

/**
 * Creates the program elsewhere: it has a token that a script copied out of the page, and not the key to which
 * the token is bound. It calls the API in every way in which that could succeed.
 */
export function createThief(apiUrl: string): Router {
  const url = `${apiUrl}/orders`

  async function attempt(how: string, headers: Record<string, string>): Promise<Attempt> {
    const response = await fetch(url, { headers })
    const answer = response.headers.get('www-authenticate') ?? (await response.text())
    return { how, status: response.status, answer }
  }

  const presentToken: RequestHandler = async (req, res) => {
    const { token } = req.body as { token: unknown }
    if (typeof token !== 'string') return void res.status(400).end()
    const proof = await generateProof(await generateKeyPair('ES256'), url, 'GET', undefined, token)
    res.json([
      await attempt('as a bearer token', { Authorization: `Bearer ${token}` }),
      await attempt('as a bound token, without a proof', { Authorization: `DPoP ${token}` }),
      await attempt('with a proof by another key', { Authorization: `DPoP ${token}`, DPoP: proof }),
    ])
  }
  return Router().post('/elsewhere', express.json(), presentToken)
}
