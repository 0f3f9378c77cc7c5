import type { Examination } from './examination.ts'
import { type Finding, pass } from './finding.ts'

/** Says through which forward proxy the calls before this check went, or were meant to go. */
export function checkForwardProxy({
  provider: { forwardProxies },
  probe,
}: Pick<Examination, 'provider' | 'probe'>): Finding[] {
  if (forwardProxies === undefined) return []
  const tried = [...probe.triedProxies].join(' and ')
  const setting = forwardProxies.https === undefined ? 'HTTP_PROXY' : 'HTTPS_PROXY'
  return [
    pass(
      'forward proxy',
      tried === ''
        ? `the provider is called directly, although ${setting} is set: NO_PROXY or the protocol leaves it out, or it is on this machine`
        : `the provider is called through ${tried}`,
    ),
  ]
}
