import type { RequestHandler } from 'express'
import { z } from 'zod'
import type { Introspect } from '../../app-token/introspection.ts'
import type { Config } from '../../config/config.ts'
import { authenticateClient } from '../request/client-authentication.ts'
import { parameter, readParameters } from '../request/parameters.ts'

/** What POST /introspect accepts, beside the credentials of the client. */
export const introspectionParameters = z.object({ token: parameter(16_000) })

interface IntrospectOptions {
  config: Pick<Config, 'introspectionClients'>
  introspect: Introspect
}

/**
 * POST /introspect: says whether an app token is valid right now, to a configured resource server (RFC
 * 7662).
 */
export function createIntrospectHandler({ config, introspect }: IntrospectOptions): RequestHandler {
  return async (req, res) => {
    try {
      authenticateClient(req, config.introspectionClients)
    } catch (error) {
      res.locals.log('introspection_refused')
      throw error
    }
    const { token } = readParameters(introspectionParameters, req.body)
    res.json(await introspect(token))
  }
}
