import type { RequestHandler } from 'express'
import { AppError } from '../../errors.ts'
import type { Providers } from '../../provider/providers.ts'
import { toUserGroup } from '../../session/session-groups.ts'
import type { SessionTermination } from '../../session/termination/session-termination.ts'
import { readAddress } from '../request/address.ts'
import { hasBearerSecret } from '../request/client-authentication.ts'

/** Middleware: lets only those pass who bring OPERATOR_SECRET as a bearer token. */
export function createOperatorGuard(secret: string): RequestHandler {
  return (req, res, next) => {
    if (hasBearerSecret(req, secret)) return next()
    res.locals.log('operator_refused', { address: readAddress(req) })
    throw new AppError('invalid_token', 'Send OPERATOR_SECRET as Bearer token.', {
      headers: { 'WWW-Authenticate': 'Bearer' },
    })
  }
}

interface OperatorOptions {
  providers: Pick<Providers, 'findSubject'>
  termination: Pick<SessionTermination, 'endAll'>
}

/** DELETE /operator/subjects/{sub}/sessions: ends all sessions of a person, named as in app tokens and in the log. */
export function createSubjectEndHandler({
  providers,
  termination,
}: OperatorOptions): RequestHandler<{ sub: string }> {
  return async (req, res) => {
    const subject = providers.findSubject(req.params.sub)
    if (subject === undefined) {
      throw new AppError('not_found', 'The subject does not begin with the name of a provider and a colon.')
    }
    const { provider, sub } = subject
    const ended = await termination.endAll(
      toUserGroup({ issuer: provider.issuer, providerSub: sub }),
      ({ identity }) => identity.providerName === provider.name,
    )
    res.locals.log('sessions_ended_by_operator', { sub: req.params.sub, sessions: ended })
    res.json({ ended: ended.length })
  }
}
