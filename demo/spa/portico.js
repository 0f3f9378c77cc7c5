// @ts-check
/** Everything that a single-page app needs to sign a user in with Portico. */

const headers = { 'X-CSRF': '1', 'Content-Type': 'application/json' }

/**
 * Calls Portico. Throws its refusals (RFC 9457) as errors that carry the stable `code`.
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

/** Returns where to send the browser. @param {{ return_to?: string, prompt?: string }} parameters */
export const startLogin = (parameters) => call(`login?${new URLSearchParams(parameters)}`)

/**
 * Forwards the provider's response, the query of the page to which it redirected, to Portico. @param {string}
 * query
 */
export const finishLogin = (query) =>
  call('callback', { method: 'POST', body: Object.fromEntries(new URLSearchParams(query)) })

/**
 * Returns who is signed in, if anyone is. A page that asks without an action of the user must not extend the
 * session: it sets `slide` to false.
 * @param {{ slide?: boolean }} [options]
 */
export const getSession = ({ slide = true } = {}) => call(slide ? 'session' : 'session?slide=false')

/** Returns a new app token; `scope` narrows it. @param {{ scope?: string }} [request] */
export const getToken = (request = {}) => call('token', { method: 'POST', body: request })

/** Returns where the user is signed in. */
export const getSessions = () => call('sessions')

/** Ends one of the user's sessions. @param {string} id */
export const endSession = (id) => call(`sessions/${id}`, { method: 'DELETE' })

/** Ends all sessions of the user except this one. */
export const endOtherSessions = () => call('sessions', { method: 'DELETE' })

/**
 * Logs out, and returns where to send the browser to sign out at the provider, if that is possible. @param {{
 * return_to?: string, everywhere?: boolean }} [request]
 */
export const logOut = (request = {}) => call('logout', { method: 'POST', body: request })
