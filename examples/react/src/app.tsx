import { Callback, RequireAuth, usePortico } from '@portico-bff/react'
import { useState } from 'react'
import { Account } from './account'

/** Runs what a button does; what goes wrong is shown. */
export type Run = (action: () => Promise<unknown>) => void

export function App() {
  const { status, user, error, login } = usePortico()
  const [failure, setFailure] = useState<string>()
  const run: Run = (action) => {
    setFailure(undefined)
    action().catch((error: Error) => setFailure(error.message))
  }
  const texts = {
    loading: 'Checking…',
    'signed-in': `Signed in as ${user?.name ?? user?.sub}`,
    'signed-out': 'Signed out',
    unknown: error?.message,
  }

  return (
    <main>
      <h1>Portico and React</h1>
      <p role="status">{failure ?? texts[status]}</p>
      {location.pathname === '/callback' ? (
        // With a router: <Callback onDone={(returnTo) => navigate(returnTo, { replace: true })} />
        <Callback />
      ) : (
        // Without `signedOut`, the login begins by itself: for an app that has nothing to show before.
        <RequireAuth
          signedOut={
            <button type="button" onClick={() => run(login)}>
              Log in
            </button>
          }
          unknown={(_error, retry) => (
            <button type="button" onClick={retry}>
              Try again
            </button>
          )}
        >
          <Account run={run} />
        </RequireAuth>
      )}
    </main>
  )
}
