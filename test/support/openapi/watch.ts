import { subscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterAll, afterEach } from 'vitest'
import { collect, toDefaultAddress } from '../canaries/http.ts'
import { createConformance, type FindDeviation } from './conformance.ts'
import { createPackagedDocument } from './write.ts'

/**
 * Compares every answer that a Portico in this process gives with the OpenAPI document. An answer that is not
 * as documented fails the test that it was given in; one that comes later fails the file.
 */

interface Watch {
  deviations: string[]
}

const global = globalThis as { openApiWatch?: Watch }
const watch = global.openApiWatch ?? startWatching()
global.openApiWatch = watch

afterEach(failOnDeviations)
afterAll(failOnDeviations)

/** The answers of this test that were not as documented, for a test that expects them. */
export const takeDeviations = (): string[] => [...new Set(watch.deviations.splice(0))]

/** Fails the test that was given such an answer. */
export function failOnDeviations(): void {
  const found = takeDeviations()
  if (found.length > 0) throw new Error(`Answers that are not as documented in OpenAPI:\n${found.join('\n')}`)
}

function startWatching(): Watch {
  const deviations: string[] = []
  const findDeviation = createConformance(createPackagedDocument())
  subscribe('http.server.request.start', (message) => {
    const { request, response } = message as { request: IncomingMessage; response: ServerResponse }
    watchResponse(request, response, findDeviation, deviations)
  })
  return { deviations }
}

function watchResponse(
  req: IncomingMessage,
  res: ServerResponse,
  findDeviation: FindDeviation,
  deviations: string[],
): void {
  const { method = '' } = req
  const target = toDefaultAddress(req.url ?? '')
  // What upstreams answer is theirs.
  if (target.startsWith('/api/proxy/')) return
  const body = collect(res, 'write', 'end')
  const end = res.end
  // Before the client can read it: what a test has received has been compared.
  res.end = ((...args: Parameters<typeof end>) => {
    const result = end.apply(res, args)
    const headers = readHead(res)
    if (headers.has('x-request-id')) {
      const exchange = { method, target, status: res.statusCode, headers, body: String(body) }
      const deviation = findDeviation(exchange)
      if (deviation !== undefined)
        deviations.push(`${method} ${target.split('?')[0]} ${res.statusCode}: ${deviation}`)
    }
    return result
  }) as typeof end
}

/** The headers as they were sent: some were never set one by one. */
function readHead(res: ServerResponse): ReadonlyMap<string, string> {
  const { _header: head } = res as unknown as { _header: string | null }
  const lines = (head ?? '').split('\r\n').slice(1, -2)
  return new Map(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
  )
}
