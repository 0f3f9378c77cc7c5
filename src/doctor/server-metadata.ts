import type { AuthorizationServer } from '../provider/metadata/discovery.ts'
import { toLogText } from '../telemetry/events.ts'

/** The metadata of the provider (RFC 8414 2). */
export type ServerMetadata = AuthorizationServer['metadata']

/** The texts of a list in the metadata; undefined where the provider does not publish that list. */
export function readList(metadata: ServerMetadata, name: string): string[] | undefined {
  const list: unknown = Reflect.get(metadata, name)
  return Array.isArray(list) ? list.filter((item) => typeof item === 'string') : undefined
}

/** A list in one printable line. */
export const formatList = (list: readonly string[]): string => toLogText(list.join(', ')) || 'none'
