import { type Finding, fail, pass, warn } from './finding.ts'
import type { Examination } from './provider-checks.ts'

const check = 'userinfo'

/** Whether userinfo is where it is said to be: there, a token that cannot be good is refused. */
export async function checkUserinfo({ provider: { endpoints }, probe }: Examination): Promise<Finding[]> {
  const status = await probe.tryUserinfo()
  const isPlain = endpoints !== undefined
  if (status === undefined) {
    return [
      isPlain
        ? warn(check, 'there is none: of a person only the user id is known', 'set OAUTH_USERINFO_ENDPOINT')
        : warn(
            check,
            'there is none: name, e-mail and groups must be in the ID token',
            'put the claims into the ID token at the provider',
          ),
    ]
  }
  if (status === 200) {
    return [
      fail(
        check,
        'it answers to a token that cannot be good',
        isPlain ? 'mend OAUTH_USERINFO_ENDPOINT' : 'ask the provider why',
      ),
    ]
  }
  if (status === 400 || status === 401 || status === 403)
    return [pass(check, `asks for a good token (status ${status})`)]
  return [
    warn(
      check,
      `answers ${status} to a token that cannot be good`,
      isPlain
        ? 'mend OAUTH_USERINFO_ENDPOINT, unless the provider says so of a user it does not know'
        : 'let the provider mend its discovery document',
    ),
  ]
}
