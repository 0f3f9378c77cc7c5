import type { ProviderPaths, ProviderScript } from '../scripted-provider.ts'

/** How a provider ends a session at Portico without the browser's user asking for it there. */
type EndedBy = 'back channel' | 'front channel' | 'front channel, sid alone' | 'universal logout'

/** What Portico is expected to do with a provider. */
export interface ExpectedBehaviour {
  /** Claims of the user who signed in; undefined: there must be none. */
  user: Record<string, unknown>
  /** Whether a refresh brings another refresh token (`rotated`), or the same one is used again (`kept`). */
  refresh: 'rotated' | 'kept' | 'none'
  /** Whether `GET /api/userinfo` is answered. */
  userinfo: boolean
  /** Whether a logout revokes the refresh token. */
  revocation: boolean
  /** What the browser does at a logout: it goes to the provider and comes back, or it never goes there. */
  logout: 'returns' | 'none'
  /** The names of the parameters that the provider's logout endpoint receives, in alphabetical order. */
  logoutParameters?: readonly string[]
  endedBy: readonly EndedBy[]
  /** The tokens are bound to Portico's key (DPoP). */
  boundTokens?: boolean
  /** A login whose access token is for another audience is refused. */
  verifiesAccessTokens?: boolean
}

/**
 * A provider as its vendor documents it: what it does, and what Portico makes of it. Each belongs to a page
 * of docs/providers/, whose settings it is run with.
 */
export interface ProviderProfile {
  /** The name of its row. */
  name: string
  /** The page: docs/providers/{page}.md. */
  page: string
  /** Which block of settings on the page, from 0, if the page has several. */
  block?: number
  /** What replaces the words in braces in the page's settings. */
  placeholders?: Record<string, string>
  /** Settings that a page can only describe, such as a key; undefined removes one of the page. */
  settings?: Record<string, string | undefined>
  /** The path of its issuer, as the vendor documents it; without it, that of the page's settings. */
  issuerPath?: string
  /** Where this vendor has its endpoints, below the origin. */
  paths: Partial<ProviderPaths>
  /** What it does otherwise than the scripted provider. */
  habits: (at: { issuer: string; origin: string }) => ProviderScript
  expected: ExpectedBehaviour
}
