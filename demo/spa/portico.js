// @ts-check
/** All that a single-page app needs to sign a person in with Portico. */

const headers = { 'X-CSRF': '1', 'Content-Type': 'application/json' }

/**
 * Calls Portico; its refusals (RFC 9457) become errors that carry the stable `code`.
 * @param {string} path
 * @param {{ method?: string, body?: object }} [request]
 */
async function call(path, { method = 'GET', body } = {}) {
  const response = await fetch(`/api/${path}`, {
    method,
    headers,
    ...(body && { body: JSON.stringify(body) }),
  })
  if (response.status === 204) return undefined
  const answer = await response.json()
  if (!response.ok) throw Object.assign(new Error(answer.detail), answer)
  return answer
}

/** Where to send the browser. @param {{ return_to?: string, prompt?: string }} parameters */
export const startLogin = (parameters) => call(`login?${new URLSearchParams(parameters)}`)

/** Hands the provider's answer, the query of the page it sent the browser to, over to Portico. @param {string} query */
export const finishLogin = (query) =>
  call('callback', { method: 'POST', body: Object.fromEntries(new URLSearchParams(query)) })

/** Who is signed in, if anyone. Looking on its own account, a page must not prolong the session. @param {{ slide?: boolean }} [look] */
export const getSession = ({ slide = true } = {}) => call(slide ? 'session' : 'session?slide=false')

/** A fresh app token; `scope` narrows it. @param {{ scope?: string }} [request] */
export const getToken = (request = {}) => call('token', { method: 'POST', body: request })

/** Where the person is signed in. */
export const getSessions = () => call('sessions')

/** Ends one of the person's sessions. @param {string} id */
export const endSession = (id) => call(`sessions/${id}`, { method: 'DELETE' })

/** Ends all of the person's sessions but this one. */
export const endOtherSessions = () => call('sessions', { method: 'DELETE' })

/** Where to send the browser to sign out at the provider, if it can. @param {{ return_to?: string, everywhere?: boolean }} [request] */
export const logOut = (request = {}) => call('logout', { method: 'POST', body: request })
