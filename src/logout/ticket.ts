import { z } from 'zod'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { randomToken, sha256Base64url } from '../crypto/hash.ts'
import type { Sealer } from '../crypto/sealer.ts'
import { AppError } from '../errors.ts'
import { readReturnTo } from '../redirects/return-to.ts'
import type { SharedState } from '../session/shared-state.ts'
import type { Log } from '../telemetry/events.ts'

/**
 * One-time tickets that lead a browser to the provider after a logout by fetch. The provider's address may
 * contain the ID token, which a script must not see. The script therefore gets an address of this server
 * instead, with a ticket that only a navigation of the same browser can use.
 */
export interface LogoutTickets {
  /**
   * Returns the address for the script, and the secret for the browser's cookie, without which the ticket is
   * refused.
   */
  issue(destination: LogoutDestination): { address: string; secret: string }
  /**
   * Returns where the browser goes next. A good ticket is used up and leads to the provider. With any other
   * ticket, the browser goes to the page where the logout was to end, because the user is signed out here
   * anyway.
   */
  redeem(
    presented: { ticket: string; secret: string | undefined },
    log: Log,
  ): Promise<{ location: string; isGood: boolean }>
}

/** Where a logout leads: first to the provider, in the end to a page of the app. */
export interface LogoutDestination {
  providerUrl: string
  returnTo: string
}

interface LogoutTicketsOptions {
  config: Pick<Config, 'apiUrl' | 'allowedOrigins' | 'logoutReturnTo'>
  store: Pick<SharedState, 'reserveOnce'>
  /** Seals tickets: the server stores nothing of a session that has ended. */
  sealer: Sealer
  clock: Clock
}

/** Milliseconds for which a ticket is good: the navigation follows the response of the logout at once. */
export const ticketLifetime = 60_000

const context = 'ticket'

const sealedTicket = z.object({
  providerUrl: z.string(),
  returnTo: z.string(),
  /** SHA-256 of the browser's secret; it also identifies the ticket. */
  browser: z.string(),
  /** Milliseconds since the epoch. */
  expiresAt: z.number(),
})

type Ticket = z.infer<typeof sealedTicket>

/** Creates the tickets; every replica accepts those of the others. */
export function createLogoutTickets({ config, store, sealer, clock }: LogoutTicketsOptions): LogoutTickets {
  return {
    issue(destination) {
      const secret = randomToken()
      const ticket: Ticket = {
        ...destination,
        browser: sha256Base64url(secret),
        expiresAt: clock.now() + ticketLifetime,
      }
      const sealed = sealer.seal(JSON.stringify(ticket), context)
      return { address: `${config.apiUrl}/logout/provider?ticket=${sealed}`, secret }
    },

    async redeem({ ticket: sealed, secret = '' }, log) {
      const ticket = open(sealed)
      const problem = ticket ? await findProblem(ticket, secret) : 'the ticket does not open'
      if (ticket !== undefined && problem === undefined) return { location: ticket.providerUrl, isGood: true }
      log('logout_at_provider_skipped', { reason: problem })
      // Checked again: the allowed origins may have changed since the logout.
      const returnTo = readReturnTo(ticket?.returnTo ?? '', config)
      return { location: returnTo ?? config.logoutReturnTo, isGood: false }
    },
  }

  function open(sealed: string): Ticket | undefined {
    const text = sealer.open(sealed, context)
    return text === undefined ? undefined : sealedTicket.safeParse(JSON.parse(text)).data
  }

  /** Why a ticket does not lead to the provider; undefined where it does. */
  async function findProblem({ browser, expiresAt }: Ticket, secret: string): Promise<string | undefined> {
    const remaining = expiresAt - clock.now()
    if (remaining <= 0) return 'the ticket has expired'
    // Checked before the ticket is used up: another browser that knows the address must not spend it.
    if (browser !== sha256Base64url(secret)) return 'the ticket is of another browser, or was used'
    return (await takeOnce(browser, remaining)) ? undefined : 'the ticket was used'
  }

  /** Uses the ticket up; false where another request has used it, on this replica or on another one. */
  async function takeOnce(browser: string, remaining: number): Promise<boolean> {
    try {
      return await store.reserveOnce(`logout.${browser}`, Math.ceil(remaining))
    } catch (error) {
      // The secret proves that this is the same browser, and the user wants to sign out at the provider, too:
      // using the ticket twice within a minute does less harm than not signing out there at all.
      if (error instanceof AppError && error.code === 'store_unavailable') return true
      throw error
    }
  }
}
