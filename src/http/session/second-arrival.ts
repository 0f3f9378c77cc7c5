import type { Request, Response } from 'express'
import type { z } from 'zod'
import type { Config } from '../../config/config.ts'
import { allowOwnForm } from '../middleware/response-headers.ts'
import { renderContinuePage, renderPostPage } from '../pages.ts'
import { isNavigation } from '../request/navigation.ts'
import { readParameters } from '../request/parameters.ts'
import type { TransactionCookies } from '../request/transaction-cookies.ts'
import type { BrowserSessions } from './browser-sessions.ts'

/**
 * The detour of a navigation that comes from another site without its cookies: over a page of this server,
 * which sends the browser here once more. From there, the cookies come.
 */
export interface SecondArrival {
  /** Answers with that page where cookies may be missing, once; returns whether it did. */
  requestIfNeeded(req: Request, res: Response): boolean
  /** Sends the browser on to the app, from whichever arrival. */
  sendOn(req: Request, res: Response, address: string): void
}

interface SecondArrivalOptions {
  config: Pick<Config, 'publicUrl'>
  sessions: Pick<BrowserSessions, 'mayBeWithheld'>
  transactionCookies: Pick<TransactionCookies, 'mayBeWithheld'>
  /** The fields of a form that are posted once more; others are dropped. */
  fields: z.ZodType<Readonly<Record<string, string | undefined>>>
}

const texts = { title: 'Signing in', link: 'Continue signing in' }

/** Creates the detour of one endpoint. */
export function createSecondArrival({
  config: { publicUrl },
  sessions,
  transactionCookies,
  fields,
}: SecondArrivalOptions): SecondArrival {
  return {
    requestIfNeeded(req, res) {
      if (isPostedFirst(req, transactionCookies)) postAgain(req, res)
      else if (isFirst(req) && req.method === 'GET' && sessions.mayBeWithheld(req)) visitAgain(req, res)
      else return false
      return true
    },

    sendOn(req, res, address) {
      if (req.method !== 'POST' || !isSecond(req)) return res.redirect(303, address)
      // No redirect: Chromium applies the form-action of our page to all that follow as well, and the app may
      // be on another origin, or redirect to one.
      res.type('html').send(renderContinuePage({ href: address, ...texts }))
    },
  }

  /** Here again by a link: a strict session cookie comes with it, and the login can replace that session. */
  function visitAgain(req: Request, res: Response): void {
    const { pathname, search } = new URL(req.originalUrl, publicUrl)
    const href = `${pathname}${search}${search === '' ? '?' : '&'}${again}=1`
    res.type('html').send(renderContinuePage({ href, ...texts }))
  }

  /**
   * Here again by a form, for a provider that posts its answer (OAuth 2.0 Form Post Response Mode): nothing
   * of the answer may be in an address.
   */
  function postAgain(req: Request, res: Response): void {
    const action = `${new URL(req.originalUrl, publicUrl).pathname}?${again}=1`
    const given = Object.entries(readParameters(fields, req.body))
    const posted = Object.fromEntries(
      given.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    )
    const page = renderPostPage({ action, fields: posted, title: texts.title, button: texts.link })
    allowOwnForm(req, res, () => res.type('html').send(page))
  }
}

/** The mark of an arrival from a page of this server, in the query: with it, there is no other such page. */
const again = 'again'

const isSecond = (req: Request) => req.query[again] !== undefined

/** Whether a navigation may get such a page. A frame shows no page of this server. */
const isFirst = (req: Request) =>
  !isSecond(req) && isNavigation(req) && (req.get('sec-fetch-dest') ?? 'document') === 'document'

/**
 * Whether a POST gets such a page, because cookies may be missing. That costs neither the store nor the
 * provider anything.
 */
export const isPostedFirst = (req: Request, { mayBeWithheld }: Pick<TransactionCookies, 'mayBeWithheld'>) =>
  isFirst(req) && mayBeWithheld(req)
