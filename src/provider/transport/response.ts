/** The part of `Response` that this server and openid-client read. */
export type ProviderResponse = Pick<Response, 'status' | 'ok' | 'text' | 'json'> & {
  headers: Pick<Headers, 'get'>
}

interface ResponseParts {
  status: number
  /** Returns the value of a header, by its name in lower case. */
  getHeader: (name: string) => string | null
  readText: () => string
  readJson: () => unknown
}

/** By this, openid-client recognises a response: it accepts those of any implementation of fetch. */
const responseKind = { [Symbol.toStringTag]: 'Response' }

/**
 * Creates a response that was received as a whole. A real Response would copy the headers and read the body
 * as a stream, which costs more than everything else that happens to it.
 */
export function createResponse({ status, getHeader, readText, readJson }: ResponseParts): ProviderResponse {
  const response = Object.assign(Object.create(responseKind), {
    status,
    ok: status >= 200 && status < 300,
    headers: { get: (name: string) => getHeader(name.toLowerCase()) },
    text: async () => readText(),
    json: async () => readJson(),
    // It can be read as often as needed, so that openid-client may read an error a second time.
    bodyUsed: false,
    clone: () => response,
  })
  return response
}

/** Whether a value is a response, such as openid-client attaches to its errors. */
export const isResponse = (value: unknown): value is ProviderResponse =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === responseKind
