/** What is special about a login at the provider; the page shows it. */
export interface Facts {
  pkce: boolean
  pushed: boolean
  idToken: boolean
  jwtAccessToken: boolean
  /** Whether requests and answers are signed. */
  signed: boolean
  /** Whether the provider's tokens are bound to a key of Portico's. */
  bound: boolean
  clientAuth: string
  /** Whether the provider has an end-session endpoint. */
  logout: boolean
}

/** What the page needs to know of the demo that serves it. */
export interface SpaConfig {
  apiUrl: string
  /** `isChosen`: there are several, and Portico asks the user which. */
  provider: { title: string; facts: Facts; isChosen?: boolean }
  /** Where the provider sends the browser: a page of the app, or Portico itself. */
  redirect: 'spa' | 'server'
  /** Whether app tokens are bound to a key of the browser (RFC 9449). */
  dpop: boolean
  /** The parts of the page's source that it shows, by their names. */
  code: Record<string, string>
}

/** The answer of a program elsewhere that called the API with a token that it was given. */
export interface Attempt {
  /** How it presented the token. */
  how: string
  status: number
  /** The API's `WWW-Authenticate`, or what it delivered. */
  answer: string
}
