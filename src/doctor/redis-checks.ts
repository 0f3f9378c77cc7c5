import { findAdvice, redisAdvice, redisFallback } from '../advice/advice.ts'
import { keepSecret } from '../advice/remedies.ts'
import { createKeyRingSeal, keyRingName } from '../app-token/key-ring-seal.ts'
import type { Config } from '../config/config.ts'
import type { RedisTarget } from '../config/values/redis-url.ts'
import { createRedisConnection } from '../session/redis/connection/connection.ts'
import { toAddress } from '../session/redis/connection/deployment.ts'
import { probeRedis, type RedisProbe } from '../session/redis/probe.ts'
import { type Finding, fail, pass, warn } from './finding.ts'

const check = 'redis'

/**
 * Checks whether Redis can keep sessions: reachable, new enough, writable, evicting nothing, and over TLS
 * unless it is on this machine.
 */
export async function checkRedis({ redis, secureCookies, secrets }: Config): Promise<Finding[]> {
  if (redis === undefined) {
    return [
      warn(
        check,
        'there is none: sessions are in the memory of this process and end with it, and only one replica may run',
        'set REDIS_URL',
      ),
    ]
  }
  const connection = createRedisConnection(redis, () => {})
  try {
    const probe = await probeRedis(connection, keyRingName)
    return [
      ...toFindings(probe, toAddress(redis)),
      ...checkRing(probe, secrets),
      ...checkTls(redis, secureCookies),
    ]
  } finally {
    await connection.close()
  }
}

/** The oldest major version that has every command of the store. */
const oldestVersion = 7

function toFindings(probe: RedisProbe, address: string): Finding[] {
  if ('reason' in probe) {
    const message = `${address} cannot be used: ${probe.reason}`
    return [fail(check, message, findAdvice(redisAdvice, probe.reason, redisFallback))]
  }
  const { versions, policies } = probe
  const findings = [pass(check, `${address} answers and takes writes`)]
  const old = versions.find((version) => Number.parseInt(version, 10) < oldestVersion)
  if (old === undefined) findings.push(pass(check, `version ${[...new Set(versions)].join(', ')}`))
  else findings.push(fail(check, `version ${old} is too old`, `use Redis ${oldestVersion} or later`))
  const evicting = policies.find((policy) => policy !== 'noeviction')
  if (evicting === undefined) findings.push(pass(check, 'evicts nothing (noeviction)'))
  else {
    findings.push(
      fail(
        check,
        `maxmemory-policy is ${evicting}, which drops sessions`,
        'set maxmemory-policy noeviction in Redis',
      ),
    )
  }
  return findings
}

/** Checks whether BFF_SECRETS opens the signing keys that replicas share in Redis. */
function checkRing(probe: RedisProbe, secrets: readonly Uint8Array[]): Finding[] {
  if ('reason' in probe || probe.ring === undefined) return []
  try {
    createKeyRingSeal(secrets).open(probe.ring)
    return [pass(check, 'BFF_SECRETS opens the signing keys in it')]
  } catch {
    return [
      fail(check, 'BFF_SECRETS does not open the signing keys in it: no user could sign in', keepSecret),
    ]
  }
}

function checkTls(target: RedisTarget, isProduction: boolean): Finding[] {
  const isLocal = toHosts(target).every((host) => /^(localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)$/.test(host))
  if (target.tls) return [pass(check, 'over TLS')]
  if (isLocal || !isProduction) return []
  return [
    warn(
      check,
      'without TLS: sessions are sealed on the way, but the password of Redis is not',
      'use rediss://, or a private network',
    ),
  ]
}

const toHosts = (target: RedisTarget): string[] => {
  switch (target.kind) {
    case 'standalone':
      return [new URL(target.url).hostname]
    case 'cluster':
      return target.urls.map((url) => new URL(url).hostname)
    case 'sentinel':
      return target.nodes.map(({ host }) => host)
  }
}
