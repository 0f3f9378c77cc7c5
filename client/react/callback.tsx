import type { PorticoError } from '@portico-bff/client'
import { type ReactNode, useEffect, useRef, useState } from 'react'
import { type RenderProblem, renderProblem } from './problem.tsx'
import { usePortico } from './use-portico.ts'

export interface CallbackProps {
  /** Goes on in the app; by default the browser loads `returnTo`. */
  onDone?: (returnTo: string) => void
  /** Shown if the login failed; a message and a button that begins a new one by default. */
  failed?: RenderProblem
  /** Shown while the login completes; nothing by default. */
  loading?: ReactNode
}

/** Leaves the callback page out of the history: "Back" does not return to it. */
const loadInstead = (returnTo: string) => location.replace(returnTo)

/**
 * The callback page: completes the login, once, and goes on where it began.
 *
 * Give `onDone` the navigation of your router, which saves a page load. Without it the browser loads the
 * address: that works with every router and with none. The page then gets another token, because the one in
 * memory is lost.
 *
 * @example
 * const navigate = useNavigate()
 * return <Callback onDone={(returnTo) => navigate(returnTo, { replace: true })} />
 */
export function Callback({
  onDone = loadInstead,
  failed = renderProblem,
  loading = null,
}: CallbackProps): ReactNode {
  const { handleCallback, login } = usePortico()
  const [error, setError] = useState<PorticoError>()
  const outcome = useRef<ReturnType<typeof handleCallback>>(undefined)
  const latest = useRef(onDone)
  useEffect(() => {
    latest.current = onDone
  })

  // StrictMode runs effects twice: one response is forwarded once, and the app goes on once.
  useEffect(() => {
    let isOver = false
    outcome.current ??= handleCallback()
    outcome.current.then(
      ({ returnTo }) => {
        if (!isOver) latest.current(returnTo)
      },
      (error) => {
        if (!isOver) setError(error)
      },
    )
    return () => {
      isOver = true
    }
  }, [handleCallback])

  if (error === undefined) return loading
  return failed(error, () => void login().catch(setError))
}
