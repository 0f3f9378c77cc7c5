/** The user name and the password of a URL, decoded. */
export interface UrlCredentials {
  username?: string
  password?: string
}

/**
 * Reads the user name and the password of a URL; absent ones are empty there.
 *
 * @throws Error where one of them is not percent-encoded
 */
export function readUrlCredentials({ username, password }: URL): UrlCredentials {
  return {
    ...(username === '' ? {} : { username: decode(username) }),
    ...(password === '' ? {} : { password: decode(password) }),
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Error('has a "%" in its user name or password that is not percent-encoding: write it as %25')
  }
}
