import { randomUUID } from 'node:crypto'
import express, { type ErrorRequestHandler, type Express } from 'express'
import { exportJWK, generateKeyPair } from 'jose'
import type { ClientMetadata, Configuration, default as OidcProvider } from 'oidc-provider'
import { createMemoryAdapterFactory } from './adapter.ts'
import { toCommonConfiguration } from './common-configuration.ts'
import { Provider } from './oidc-provider.ts'
import { addSignIn } from './sign-in.ts'
import { renderMessage } from './sign-in-page.ts'
import { addJwtUserinfo, addPlainUserinfo } from './userinfo.ts'
import { findUser, toClaims } from './users.ts'
import { type VariantName, type VariantOptions, variants } from './variants.ts'

export interface DemoProviderOptions extends VariantOptions {
  variant?: VariantName
  /** Where browsers and Portico reach it, such as `http://127.0.0.1:3001`. */
  origin: string
  clients: ClientMetadata[]
  /** Lifetime of an access token, in seconds. */
  accessTokenLifetime?: number
  /** Whether a refresh brings a new refresh token, as for Okta's SPAs; its web apps keep theirs. */
  rotates?: boolean
  /** Seconds for which a rotated refresh token may be used again; 0 to 60 at Okta. */
  grace?: number
  /**
   * Whether ID tokens have no profile claims (Okta calls them "thin"), so that userinfo has to provide them.
   */
  thin?: boolean
  /** Configuration of oidc-provider that a test adds or replaces. */
  more?: Configuration
}

async function createSigningKey(alg: 'RS256' | 'ES256') {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { publicKey, jwk: { ...(await exportJWK(privateKey)), kid: 'demo-1', alg, use: 'sig' } }
}

type Features = NonNullable<Configuration['features']>

const toFeatures = (...configurations: Configuration[]): Features =>
  Object.assign({}, ...configurations.map(({ features }) => features)) as Features

function createConfiguration(options: DemoProviderOptions, jwk: object): Configuration {
  const { variant: name = 'okta', clients, accessTokenLifetime = 3600, rotates = true, grace = 30 } = options
  const variant = variants[name]
  const common = toCommonConfiguration(variant, accessTokenLifetime)
  const special = variant.configure(options)
  return {
    ...common,
    adapter: createMemoryAdapterFactory({ grace }),
    rotateRefreshToken: rotates,
    clients,
    jwks: { keys: [jwk] },
    cookies: { keys: [randomUUID()], names: { session: 'sid', interaction: 'it', resume: 'it_resume' } },
    interactions: { url: (_ctx, interaction) => `/signin/${interaction.uid}` },
    findAccount: (_ctx, id) => {
      const user = findUser(id)
      if (user === undefined) return undefined
      return {
        accountId: id,
        claims: () => ({ ...toClaims(user), ver: 1, idp: '00o1demo000000000001' }),
      }
    },
    renderError(ctx, { error, error_description: description }) {
      ctx.type = 'html'
      ctx.body = renderMessage(`The demo provider refused: ${error}`, description ?? '')
    },
    conformIdTokenClaims: options.thin ?? false,
    ...special,
    ...options.more,
    features: toFeatures(common, special, options.more ?? {}),
  }
}

/** Creates an identity provider of one of the variants, an Okta custom authorization server by default. */
export async function createDemoProvider(options: DemoProviderOptions): Promise<{
  issuer: string
  app: Express
  provider: OidcProvider
}> {
  const { origin } = options
  const { path, audience, signingAlg, hasDiscovery } = variants[options.variant ?? 'okta']
  const issuer = `${origin}${path}`
  const { jwk, publicKey } = await createSigningKey(signingAlg)
  const configuration = createConfiguration(options, jwk)
  const provider = new Provider(issuer, configuration)
  const app = express().disable('x-powered-by')
  addSignIn(app, provider)
  if (audience !== undefined) {
    const address = `${path}${configuration.routes?.userinfo ?? ''}`
    addJwtUserinfo(app, address, { issuer, origin, audience, publicKey })
  }
  if (!hasDiscovery) {
    addPlainUserinfo(app, provider)
    app.use('/.well-known', (_req, res) => void res.status(404).end())
  }
  app.use(path === '' ? '/' : path, provider.callback())
  // A sign-in page from the browser's history: its sign-in has ended.
  app.use(((_error, _req, res, _next) => {
    res
      .status(400)
      .send(renderMessage('This sign-in has ended', 'Go back to the app, and log in from there.'))
  }) satisfies ErrorRequestHandler)
  return { issuer, app, provider }
}
