/**
 * Which token a call carries to an upstream. `provider`: the user's access token from the provider; `app`: an
 * app token for the upstream's audience; `exchange`: an access token for another audience, which the provider
 * exchanges for the user's (RFC 8693); `optional`: the provider's where the user is signed in, and none
 * otherwise; `none`: none, although the user must be signed in.
 */
export type TokenKind = 'provider' | 'app' | 'exchange' | 'optional' | 'none'

/** The token that a call carries, with what is asked for where it is made for the call. */
export interface TokenChoice {
  kind: TokenKind
  /** The audience of an app token or an exchanged one; an app token has the default audience without it. */
  audience: string | undefined
  /** The scopes of an app token or an exchanged one; undefined: all that the user was granted. */
  scopes: readonly string[] | undefined
}

/**
 * What a user needs to use an upstream: every scope, and one of the groups and of the providers where any is
 * named.
 */
export interface AccessRule {
  scopes: readonly string[]
  groups: readonly string[]
  /** Names of providers: groups of one name may mean other people at each. */
  providers: readonly string[]
}

/** An upstream and who may reach what of it. All durations are milliseconds. */
export interface ProxyRoute {
  /** Its name in the configuration, as in the addresses that begin with `/proxy/{name}/`. */
  name: string
  /** The upstream's origin. */
  origin: string
  /** The path of the upstream below which everything lies, without a slash at its end; often empty. */
  basePath: string
  /** In capital letters; HEAD is among them if GET is. */
  methods: readonly string[]
  /** Prefixes of the paths that may be called, each a whole number of segments: `/orders` for `/orders/5`. */
  paths: readonly string[]
  access: AccessRule
  token: TokenChoice
  /** How long the upstream may take to answer, and either side may pause while a body is on its way. */
  timeout: number
  /** Bytes that the body of a request may have. */
  maxBody: number
  /** Whether WebSocket connections may be opened (RFC 6455). */
  websocket: boolean
  /** `private`: the browser may keep responses as the upstream allows; `no-store`: never. */
  cache: 'no-store' | 'private'
  /** Names of request headers that pass in addition to the usual ones, in small letters. */
  requestHeaders: readonly string[]
  /** Names of response headers that pass in addition to the usual ones, in small letters. */
  responseHeaders: readonly string[]
  /** Names of the upstream's cookies that the browser may receive and send back. */
  cookies: readonly string[]
  /** Whether the upstream receives a `Forwarded` header (RFC 7239). */
  forwarded: boolean
}
