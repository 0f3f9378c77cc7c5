import { Agent, type buildConnector, type Dispatcher, EnvHttpProxyAgent, errors, Pool } from 'undici'
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

type Connector = buildConnector.connector

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
    clientFactory(proxy, options) {
      const { connect } = options as { connect: Connector }
      return new Pool(proxy, {
        connect(target, callback) {
          triedProxies.add(proxy.host)
          connect(target, (...[error, socket]) =>
            error === null ? callback(null, socket) : callback(toUnreachable(error), null),
          )
        },
        headersTimeout: timeout,
      })
    },
  })
  return { dispatcher, triedProxies }
}

const forwardProxyFailed = (reason: string, cause: unknown) =>
  providerUnavailable(`forward proxy: ${reason}`, { outage: 'no-answer', cause })

/** The proxy itself cannot be connected to. */
const toUnreachable = (error: Error) => forwardProxyFailed(toErrorCode(error), error)

/**
 * The error of a call that the forward proxy did not pass on, because it refuses to, or fails before there is
 * a connection to the provider; undefined for any other error.
 */
export function findForwardProxyError(error: unknown): ReturnType<typeof providerUnavailable> | undefined {
  // undici has no other error code for it.
  const [, status] =
    error instanceof errors.RequestAbortedError
      ? (/^Proxy response \((\d{3})\)/.exec(error.message) ?? [])
      : []
  if (status !== undefined) return forwardProxyFailed(`status ${status}`, error)
  const isOfProxy = error instanceof Error && /^UND_ERR_PRX_/.test(toErrorCode(error))
  return isOfProxy ? forwardProxyFailed(toErrorCode(error), error) : undefined
}
