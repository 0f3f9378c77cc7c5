import { usePortico, useToken } from '@portico-bff/react'
import { useState } from 'react'
import type { Run } from './app'
import { apiUrl } from './portico'

/** What a signed-in user sees. */
export function Account({ run }: { run: Run }) {
  const { fetch, getToken, logout } = usePortico()
  const token = useToken()
  const [answer, setAnswer] = useState('')

  async function callApi() {
    const response = await fetch(`${apiUrl}/orders`)
    setAnswer(`GET /orders → ${response.status}\n${await response.text()}`)
  }

  return (
    <>
      <button type="button" onClick={() => run(callApi)}>
        Call the API
      </button>
      <button type="button" onClick={() => run(() => getToken({ fresh: true }))}>
        Renew the token
      </button>
      <button type="button" onClick={() => run(logout)}>
        Log out
      </button>
      <dl>
        <dt>The API answers</dt>
        <dd>
          <output aria-label="API answer">{answer}</output>
        </dd>
        <dt>The id of the token</dt>
        <dd>
          <output aria-label="Token">{token && readTokenId(token)}</output>
        </dd>
      </dl>
    </>
  )
}

/** The id of a token, from its payload. */
function readTokenId(token: string): string {
  const [, payload = ''] = token.split('.')
  return JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/'))).jti
}
