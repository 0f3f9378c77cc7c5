import type { TokenOptions } from '@portico-bff/client'
import { useEffect, useState } from 'react'
import { usePortico } from './use-portico.ts'

/**
 * How often the client is asked. It answers from memory until the token is about to expire, so that most of
 * these calls cost nothing; after a refusal, each would be a request, and they are rarer.
 */
const interval = { afterToken: 5_000, afterRefusal: 60_000 }

/**
 * Returns a valid app token, for what cannot call `fetch` or `authHeaders` of the client, such as a
 * WebSocket; undefined while there is none. Renders again when the token is replaced. A hidden page asks for
 * none. A bound token (`dpop`) needs a proof with each request: use `authHeaders` for it.
 *
 * @example
 * const token = useToken({ audience: 'https://chat.example.com' })
 * useEffect(() => (token === undefined ? undefined : connect(token)), [token])
 */
export function useToken({ scope, audience }: Omit<TokenOptions, 'fresh'> = {}): string | undefined {
  const { status, session, getToken } = usePortico()
  // A text is the same at each render; a list of audiences may be another one.
  const wanted = JSON.stringify({ scope, audience })
  const purpose = session && `${session.id} ${wanted}`
  const [held, setHeld] = useState<{ token: string | undefined; purpose: string }>()

  useEffect(() => {
    // Each new token also brings the session's timeouts: a new session object is the time to ask.
    if (status !== 'signed-in' || session === undefined || purpose === undefined) return
    let isOver = false
    let timer: ReturnType<typeof setTimeout> | undefined

    async function ask(purpose: string): Promise<void> {
      if (document.hidden) return
      const token = await getToken(JSON.parse(wanted) as TokenOptions).catch(() => undefined)
      if (isOver) return
      setHeld((held) => (held?.token === token && held?.purpose === purpose ? held : { token, purpose }))
      clearTimeout(timer)
      timer = setTimeout(onTime, token === undefined ? interval.afterRefusal : interval.afterToken)
    }
    const onTime = () => void ask(purpose)

    onTime()
    document.addEventListener('visibilitychange', onTime)
    return () => {
      isOver = true
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', onTime)
    }
  }, [status, session, purpose, wanted, getToken])

  // The token of another user, scope or audience is not returned, not even for one render.
  return held?.purpose === purpose ? held?.token : undefined
}
