/**
 * What to do about problems that the doctor finds before a login, and that a login shows afterwards. Both say
 * it in the same words.
 */

export const reachProvider = 'check whether this machine can reach the provider'
export const copyCredentials =
  'copy OIDC_CLIENT_ID and OIDC_CLIENT_SECRET again from the console of the provider'
export const registerRedirectUri =
  'register exactly this URI for the client at the provider, or correct OIDC_REDIRECT_URI'
export const allowCodeFlow =
  'allow this client the authorization code flow at the provider, and check OIDC_CLIENT_ID'
export const defineScope = 'define the scope at the provider for this client, or drop it from OIDC_SCOPES'
export const allowResource =
  'allow this resource for the client at the provider, or correct resource in OIDC_AUTHORIZATION_PARAMS'
export const turnOnPkce = 'set OIDC_PKCE=on'
export const signRequests = 'set OIDC_REQUEST_OBJECT=signed, with a key in OIDC_CLIENT_KEY'
export const putOtherKey = 'put a key for one that it takes first into OIDC_CLIENT_KEY'
export const registerRequestKey =
  'register the public half of OIDC_CLIENT_KEY for the client at the provider (GET /.well-known/client-jwks.json shows it), and compare the clocks'
export const chooseResponseMode =
  'set OIDC_RESPONSE_MODE to one that the provider offers this client (jwt, if it demands signed answers)'
export const letAnswersBeSigned =
  'let the provider sign its answers to this client, or set OIDC_RESPONSE_MODE=query'
export const letParChoose = 'set OIDC_PAR=auto'
export const compareDpopClocks = 'compare the clocks of this machine and the provider'
export const followNtp = 'let this machine follow NTP'
export const raiseClockTolerance = 'raise OIDC_CLOCK_TOLERANCE'
export const setIdTokenAlg = 'set OIDC_ID_TOKEN_ALG to the algorithm of the ID tokens'
export const fixKeySet = 'correct the address, or the provider has to fix it'
export const publishKeys = 'the provider has to publish its signing keys'
export const readProviderLog = 'look for this error in the log of the provider'
export const keepSecret = 'put the secret that sealed them back into BFF_SECRETS, or use an empty Redis'
