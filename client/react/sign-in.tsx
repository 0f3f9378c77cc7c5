import type { LoginOptions, PorticoError } from '@portico-bff/client'
import { type ReactNode, useEffect, useRef, useState } from 'react'
import type { RenderProblem } from './problem.tsx'
import { usePortico } from './use-portico.ts'

interface SignInProps {
  /** Begins the login without a click. */
  atOnce: boolean
  options: LoginOptions | undefined
  loading: ReactNode
  problem: RenderProblem
}

/** Sends the user to the provider, at once or at a click. */
export function SignIn({ atOnce, options, loading, problem }: SignInProps): ReactNode {
  const { login } = usePortico()
  const [isUnderWay, setUnderWay] = useState(atOnce)
  const [error, setError] = useState<PorticoError>()
  const hasBegun = useRef(false)

  function begin(): void {
    hasBegun.current = true
    setUnderWay(true)
    setError(undefined)
    login(options).catch(setError)
  }

  // StrictMode runs effects twice; the login begins once.
  useEffect(() => {
    if (atOnce && !hasBegun.current) begin()
  })

  // "Back" from the provider may bring this page as it was left (bfcache): no login is under way any more.
  useEffect(() => {
    const onShow = ({ persisted }: PageTransitionEvent) => persisted && setUnderWay(false)
    window.addEventListener('pageshow', onShow)
    return () => window.removeEventListener('pageshow', onShow)
  }, [])

  if (error !== undefined) return problem(error, begin)
  if (isUnderWay) return loading
  return (
    <div role="status">
      <p>You are signed out.</p>
      <button type="button" onClick={begin}>
        Log in
      </button>
    </div>
  )
}
