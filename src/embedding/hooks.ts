/** A user, by the `sub` of app tokens, with the claims that the provider supplies. */
export interface PorticoUser {
  readonly sub: string
  readonly [claim: string]: unknown
}

/** A user whom the provider has authenticated, and who has no session yet. */
export interface SignIn {
  readonly user: PorticoUser
  /** The name of the provider in the configuration; `default` where there is only one. */
  readonly provider: string
  /**
   * What the provider says, after verification: its own `iss` and `sub`, how the user signed in (`acr`,
   * `amr`, `auth_time`), the granted `scope`, and the claims about the user that the configuration lets it
   * supply.
   */
  readonly claims: Readonly<Record<string, unknown>>
  /** The browser, as the list of sessions shows it. */
  readonly browser: { readonly device: string; readonly address?: string | undefined }
}

/** Why a session ended. Sessions that time out are in no list: the store forgets them by itself. */
export type SignOutReason =
  /** The user signed out, here or by the list of sessions. */
  | 'logout'
  /** The provider said so, in one of the three ways that it has. */
  | 'back_channel_logout'
  | 'front_channel_logout'
  | 'universal_logout'
  /** The provider refused to refresh the tokens of the session. */
  | 'provider'
  /** An operator ended it. */
  | 'operator'
  /** Another sign-in in the same browser took its place. */
  | 'superseded'

/** A session that has ended. */
export interface SignOut {
  /** The user, by the `sub` of app tokens. */
  readonly sub: string
  /** The public id of the session. */
  readonly session: string
  readonly reason: SignOutReason
}

/** What a host app is asked, and what it hears. */
export interface PorticoHooks {
  /**
   * Is awaited after the provider has authenticated a user, before there is a session. `SignInRefused`
   * refuses the sign-in with a text for the user; any other error is answered with 500. Either way there is
   * no session, and the provider's refresh token is revoked.
   */
  onSignIn?: ((signIn: SignIn) => void | Promise<void>) | undefined
  /**
   * Is called after a session has ended by this process. Nothing waits for it, and its errors are only
   * logged: a logout always wins.
   */
  onSignOut?: ((signOut: SignOut) => void | Promise<void>) | undefined
}

/** Refuses a sign-in: `throw new SignInRefused('Your account is closed.')`. The user reads the text. */
export class SignInRefused extends Error {
  override readonly name = 'SignInRefused'
}
