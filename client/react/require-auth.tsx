import type { LoginOptions } from '@portico-bff/client'
import { type ReactNode, useState } from 'react'
import { type RenderProblem, renderProblem } from './problem.tsx'
import { SignIn } from './sign-in.tsx'
import { usePortico } from './use-portico.ts'

export interface RequireAuthProps {
  children?: ReactNode
  /** Shown until it is known whether a user is signed in, and while a login begins; nothing by default. */
  loading?: ReactNode
  /** Shown if that cannot be found out, or if a login cannot begin; a message and a button by default. */
  unknown?: RenderProblem
  /** Shown instead of beginning a login. */
  signedOut?: ReactNode
  /** How the login begins; by default it returns to the current address. */
  login?: LoginOptions
}

/** With the user as its key: what is below keeps no state of another user. */
const OneUser = ({ children }: { children: ReactNode }): ReactNode => children

/**
 * Shows its children to a signed-in user only, also while Portico does not answer (`unknown`) if the user was
 * known before. If another user signs in, the children start from the beginning, without the state of the
 * previous user.
 *
 * If the page is opened signed out, a login begins. If the user was signed in here and is not any more, a
 * message with a "Log in" button appears instead: a login by itself would undo the logout, or the timeout of
 * an unattended tab, because the provider often signs the user in again without a question.
 *
 * The callback page stays outside of it.
 *
 * @example
 * <RequireAuth loading={<Spinner />}><Orders /></RequireAuth>
 */
export function RequireAuth({
  children,
  loading = null,
  unknown = renderProblem,
  signedOut,
  login,
}: RequireAuthProps): ReactNode {
  const { status, user, error, checkSession } = usePortico()
  const [wasSignedIn, setWasSignedIn] = useState(false)
  if (user !== undefined && !wasSignedIn) setWasSignedIn(true)

  if (user !== undefined) return <OneUser key={user.sub}>{children}</OneUser>
  if (status === 'loading') return loading
  if (error !== undefined) return unknown(error, () => void checkSession())
  if (signedOut !== undefined) return signedOut
  return <SignIn atOnce={!wasSignedIn} options={login} loading={loading} problem={unknown} />
}
