import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Provider } from '../../../demo/provider/oidc-provider.ts'

/**
 * oidc-provider as it comes, in a process of its own: no Okta shape, opaque access tokens, its own pages. Prints its
 * issuer once it listens. Its client's id, secret and redirect URI are in the environment.
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
