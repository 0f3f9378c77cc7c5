import type { RequestHandler } from 'express'
import { z } from 'zod'
import type { Introspect } from '../../app-token/introspection.ts'
import type { Config } from '../../config/config.ts'
import { readAddress } from '../request/address.ts'
import { readResourceServer } from '../request/client-authentication.ts'
import { parameter, readInput } from '../request/parameters.ts'

const introspectionParameters = z.object({ token: parameter(16_000) })

interface IntrospectOptions {
  config: Pick<Config, 'introspectionClients'>
  introspect: Introspect
}

/** POST /api/introspect: whether an app token is good right now, for a configured resource server (RFC 7662). */
export function createIntrospectHandler({ config, introspect }: IntrospectOptions): RequestHandler {
  return async (req, res) => {
    try {
      readResourceServer(req, config.introspectionClients)
    } catch (error) {
      res.locals.log('introspection_refused', { address: readAddress(req) })
      throw error
    }
    const { token } = readInput(introspectionParameters, req.body)
    res.json(await introspect(token))
  }
}
