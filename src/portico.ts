import { ConfigError as AnyConfigError } from './config/config-error.ts'
import { readOptions } from './config/options.ts'
import type { PorticoOptions } from './embedding/options.ts'
import type { Portico } from './embedding/types.ts'
import { AppError } from './errors.ts'
import { embed } from './service/embedded.ts'
import { createService } from './service/service.ts'

export type * from './embedding/hooks.ts'
export { SignInRefused } from './embedding/hooks.ts'
export type * from './embedding/options.ts'
export type * from './embedding/types.ts'

/** A class whose objects `instanceof` recognises, and which only Portico makes. */
type ErrorClass<Members> = abstract new (...args: never) => Error & Members

/** What is wrong with the settings; its message has every problem, with an example. */
export const ConfigError: ErrorClass<{
  readonly problems: readonly { readonly variable: string; readonly problem: string }[]
}> = AnyConfigError

/** Why a call of Portico fails; docs/http-api.md lists the codes. */
export const PorticoError: ErrorClass<{
  readonly code: string
  /** The status of an answer that says so. */
  readonly status: number
  /** What a user may read. */
  readonly detail: string
}> = AppError

/**
 * Creates a Portico in an app of yours. Without settings, it is configured by the environment.
 *
 * @throws ConfigError
 *
 * @example
 * const portico = await createPortico()
 *
 * app.use(portico.router)
 * app.get('/orders', portico.requireSession(), async (req, res) => {
 *   const token = await portico.accessToken(req)
 *   res.send(await listOrders(token))
 * })
 */
export async function createPortico({
  onSignIn,
  onSignOut,
  ...options
}: PorticoOptions = {}): Promise<Portico> {
  const { config, env } = readOptions(options)
  return embed(await createService(config, env, { hooks: { onSignIn, onSignOut } }))
}
