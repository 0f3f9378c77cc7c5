export type { AppTokenClaims } from './claims.ts'
export type { IntrospectionOptions } from './introspection.ts'
export {
  type AuthenticationRequirement,
  requireAuthentication,
  requireGroup,
  requireScope,
  requireToken,
  type TokenMiddleware,
} from './middleware.ts'
export type { TokenRequest } from './presented-token.ts'
export type { GroupSource, TokenRequirements } from './requirements.ts'
export { TokenRefused } from './token-refused.ts'
export { createTokenVerifier, type TokenVerifierOptions, type VerifyToken } from './token-verifier.ts'
