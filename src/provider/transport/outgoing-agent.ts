import { isIP } from 'node:net'
import { Agent, type buildConnector, type Dispatcher, EnvHttpProxyAgent, Pool } from 'undici'
import type { ForwardProxies } from '../../config/providers/provider-config.ts'
import { toErrorCode } from '../../errors.ts'
import { providerUnavailable } from './unavailable.ts'

/** A client certificate and its key, in PEM. */
export interface ClientCertificate {
  cert: string
  key: string
}

/** Sends requests by connections that it keeps. */
export interface OutgoingAgent {
  dispatcher: Dispatcher
  /** Host and port of each forward proxy that a connection was made or tried to. */
  triedProxies: ReadonlySet<string>
}

interface OutgoingAgentOptions {
  /** Milliseconds until a connection has to be there, and until a forward proxy has to have made one. */
  timeout: number
  /** The certificate that this client authenticates with, if any; a forward proxy never sees it. */
  certificate?: ClientCertificate | undefined
  forwardProxies?: ForwardProxies | undefined
}

/** Creates an agent that connects by itself or, as configured, through forward proxies. */
export function createOutgoingAgent({
  timeout,
  certificate,
  forwardProxies,
}: OutgoingAgentOptions): OutgoingAgent {
  const connections = { connections: 128, keepAliveTimeout: 30_000 }
  const tls = { timeout, ...certificate }
  const triedProxies = new Set<string>()
  if (forwardProxies === undefined) {
    return { dispatcher: new Agent({ ...connections, connect: tls }), triedProxies }
  }
  const dispatcher = new EnvHttpProxyAgent({
    ...connections,
    // An empty text is none; undefined would be what the environment of this process says.
    httpsProxy: forwardProxies.https ?? '',
    httpProxy: forwardProxies.http ?? '',
    noProxy: forwardProxies.except,
    connect: tls,
    requestTls: tls,
    connectTimeout: timeout,
    // Also for http, so that every refusal of the proxy differs from one of the provider.
    proxyTunnel: true,
    clientFactory: (proxy, options) =>
      observeTunnels(new Pool(proxy, { ...withoutAddressAsName(options), headersTimeout: timeout }), () =>
        triedProxies.add(proxy.host),
      ),
  })
  return { dispatcher, triedProxies }
}

/**
 * Names no server towards a proxy whose host is an IP address: undici takes the address for a name, which TLS
 * does not allow, so that no connection would be made. The certificate is compared with the address then.
 */
function withoutAddressAsName(options: Pool.Options): Pool.Options {
  const { connect } = options
  if (typeof connect !== 'function') return options
  const withoutName: buildConnector.connector = (to, done) => {
    const host = to.servername?.replace(/^\[(.*)\]$/, '$1')
    return connect(host !== undefined && isIP(host) !== 0 ? { ...to, servername: '' } : to, done)
  }
  return { ...options, connect: withoutName }
}

/**
 * Makes what goes wrong between this server and its forward proxy differ from what goes wrong behind it, for
 * which undici has the same errors.
 */
function observeTunnels(proxy: Pool, onTunnel: () => void): Pool {
  const connect = proxy.connect.bind(proxy)
  return Object.assign(proxy, {
    async connect(tunnel: Dispatcher.ConnectOptions) {
      onTunnel()
      const answer = await connect(tunnel).catch((error: unknown) => {
        throw forwardProxyFailed(error instanceof Error ? toErrorCode(error) : 'unknown', error)
      })
      if (answer.statusCode === 200) return answer
      answer.socket.on('error', () => {}).destroy()
      throw forwardProxyFailed(`status ${answer.statusCode}`)
    },
  })
}

const forwardProxyFailed = (reason: string, cause?: unknown) =>
  providerUnavailable(`forward proxy: ${reason}`, { outage: 'no-answer', cause })
