import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Provider } from '../../../demo/provider/oidc-provider.ts'

/**
 * Runs oidc-provider with its defaults in a process of its own: unlike Okta, with opaque access tokens and
 * its own pages. Reads its client's id, secret and redirect URI from the environment, and prints its issuer
 * once it listens.
 */
const { CLIENT_ID = '', CLIENT_SECRET = '', REDIRECT_URI = '' } = process.env

const server = createServer()
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: CLIENT_ID,
        client_secret: CLIENT_SECRET,
        redirect_uris: [REDIRECT_URI],
        grant_types: ['authorization_code', 'refresh_token'],
      },
    ],
    claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'] },
    findAccount: (_ctx, id) => ({
      accountId: id,
      claims: () => ({ sub: id, name: `Person ${id}`, email: `${id}@example.com`, email_verified: true }),
    }),
  })
  server.on('request', provider.callback())
  process.stdout.write(`${issuer}\n`)
})
