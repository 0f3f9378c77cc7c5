import type { AuthorizationServer } from '../../provider/metadata/discovery.ts'
import { toLogText } from '../../telemetry/logger.ts'

export type ServerMetadata = AuthorizationServer['metadata']

/** A list of the metadata as texts, undefined where the provider does not tell. */
export function readList(metadata: ServerMetadata, name: string): string[] | undefined {
  const list: unknown = Reflect.get(metadata, name)
  return Array.isArray(list) ? list.filter((item) => typeof item === 'string') : undefined
}

/** A list in one printable line. */
export const tellList = (list: readonly string[]): string => toLogText(list.join(', ')) || 'none'
