import { z } from 'zod'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { randomToken, sha256Base64url } from '../crypto/hash.ts'
import type { Sealer } from '../crypto/sealer.ts'
import { AppError } from '../errors.ts'
import { readReturnTo } from '../redirects/return-to.ts'
import type { SharedState } from '../session/store.ts'
import type { Log } from '../telemetry/logger.ts'

/**
 * Takes the browser of a logout by fetch to the provider, past the script that called: the provider's address may hold the
 * ID token, so the script gets an address of this server, with a ticket that only a navigation of the same browser can use.
 */
export interface LogoutTickets {
  /** The address that a script may have, and the secret for the browser's cookie: without it, the ticket leads nowhere. */
  issue(destination: LogoutDestination): { address: string; secret: string }
  /**
   * Where a browser goes on to. To the provider for a good ticket, which is spent by that; else to where the logout was to
   * end, because the person is signed out here whatever became of the ticket.
   */
  redeem(
    presented: { ticket: string; secret: string | undefined },
    log: Log,
  ): Promise<{ location: string; isGood: boolean }>
}

/** Where a logout leads: to the provider, and in the end to a page that the person knows. */
export interface LogoutDestination {
  providerUrl: string
  returnTo: string
}

interface LogoutTicketsOptions {
  config: Pick<Config, 'publicUrl' | 'allowedOrigins' | 'logoutReturnTo'>
  store: Pick<SharedState, 'reserveOnce'>
  /** Seals tickets: the server keeps nothing of a session that is over. */
  sealer: Sealer
  clock: Clock
}

/** Milliseconds between the answer of a logout and the navigation that follows it, at the most. */
export const ticketLifetime = 60_000

const path = '/api/logout/provider'
const context = 'ticket'

const sealedTicket = z.object({
  providerUrl: z.string(),
  returnTo: z.string(),
  /** Fingerprint of the browser's secret, which names the ticket as well. */
  browser: z.string(),
  /** Milliseconds since the epoch. */
  expiresAt: z.number(),
})

type Ticket = z.infer<typeof sealedTicket>

/** Creates the tickets; any replica takes those of the others. */
export function createLogoutTickets({ config, store, sealer, clock }: LogoutTicketsOptions): LogoutTickets {
  const { publicUrl, allowedOrigins, logoutReturnTo } = config

  function open(sealed: string): Ticket | undefined {
    const text = sealer.open(sealed, context)
    return text === undefined ? undefined : sealedTicket.safeParse(JSON.parse(text)).data
  }

  /** Takes the ticket for this request; false where another one has taken it, here or on another replica. */
  async function claim(browser: string, remaining: number): Promise<boolean> {
    try {
      return await store.reserveOnce(`logout.${browser}`, Math.ceil(remaining))
    } catch (error) {
      // The person wants to be out there as well, and the secret tells that this is the same browser: for a minute, twice
      // does less harm than not at all.
      if (error instanceof AppError && error.code === 'store_unavailable') return true
      throw error
    }
  }

  /** Why a ticket does not lead to the provider; undefined where it does. */
  async function findProblem({ browser, expiresAt }: Ticket, secret: string): Promise<string | undefined> {
    const remaining = expiresAt - clock.now()
    if (remaining <= 0) return 'the ticket has expired'
    // Before it is spent: others who know the address must not keep the person from it.
    if (browser !== sha256Base64url(secret)) return 'the ticket is of another browser, or was used'
    return (await claim(browser, remaining)) ? undefined : 'the ticket was used'
  }

  return {
    issue(destination) {
      const secret = randomToken()
      const ticket: Ticket = {
        ...destination,
        browser: sha256Base64url(secret),
        expiresAt: clock.now() + ticketLifetime,
      }
      const sealed = sealer.seal(JSON.stringify(ticket), context)
      return { address: `${publicUrl}${path}?ticket=${sealed}`, secret }
    },

    async redeem({ ticket: sealed, secret = '' }, log) {
      const ticket = open(sealed)
      const problem = ticket ? await findProblem(ticket, secret) : 'the ticket does not open'
      if (ticket !== undefined && problem === undefined) return { location: ticket.providerUrl, isGood: true }
      log('logout_at_provider_skipped', { reason: problem })
      // Once more: what was an allowed origin then may be none now.
      const returnTo = readReturnTo(ticket?.returnTo ?? '', publicUrl, allowedOrigins)
      return { location: returnTo ?? logoutReturnTo, isGood: false }
    },
  }
}
