import { createKeyRingSeal, keyRingName } from '../app-token/key-ring-seal.ts'
import type { Config } from '../config/config.ts'
import type { RedisTarget } from '../config/values/redis-url.ts'
import { createRedisConnection } from '../session/redis/connection.ts'
import { toAddress } from '../session/redis/deployment.ts'
import { probeRedis, type RedisProbe } from '../session/redis/probe.ts'
import { type Advice, findAdvice } from './advice/advice.ts'
import { type Finding, fail, pass, warn } from './finding.ts'

const check = 'redis'
/** The oldest major version that every command of the store works with. */
const oldestVersion = 7

/** Whether sessions can be kept: Redis reachable, new enough, writable, keeping what it is given, over TLS where it is far. */
export async function checkRedis({ redis, secureCookies, secrets }: Config): Promise<Finding[]> {
  if (redis === undefined) {
    return [
      warn(
        check,
        'there is none: sessions live in this process, end with it, and only one replica may run',
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

const advice: Advice = [
  [/ECONNREFUSED/, 'start Redis, or mend host and port in REDIS_URL'],
  [/ENOTFOUND|EAI_AGAIN/, 'mend the host name in REDIS_URL'],
  [/WRONGPASS|NOAUTH/, 'mend user name and password in REDIS_URL'],
  [/NOPERM/, 'give the user the rights "~portico:* +@all -@dangerous +info"'],
  [/READONLY/, 'point REDIS_URL at the master, or use redis+sentinel://'],
  [/CERT|SELF_SIGNED|SSL|TLS|UNABLE_TO_VERIFY/i, 'name its authority in NODE_EXTRA_CA_CERTS'],
  [/OOM/, 'give Redis more memory'],
  [/DB index/, 'mend the number of the database at the end of REDIS_URL'],
  [/SENTINEL/, 'this is no sentinel: use redis:// for a single server'],
  [/RootNodes|CLUSTER/i, 'this is no cluster: name one server alone in REDIS_URL'],
]

function toFindings(probe: RedisProbe, address: string): Finding[] {
  if ('reason' in probe) {
    const otherwise = 'is it Redis, does it speak TLS (rediss://), is a firewall in between?'
    const message = `${address} cannot be used: ${probe.reason}`
    return [fail(check, message, findAdvice(advice, probe.reason, otherwise))]
  }
  const { versions, policies } = probe
  const findings = [pass(check, `${address} answers and takes writes`)]
  const old = versions.find((version) => Number.parseInt(version, 10) < oldestVersion)
  if (old === undefined) findings.push(pass(check, `version ${[...new Set(versions)].join(', ')}`))
  else findings.push(fail(check, `version ${old} is too old`, `use Redis ${oldestVersion} or later`))
  const dropping = policies.find((policy) => policy !== 'noeviction')
  if (dropping === undefined) findings.push(pass(check, 'keeps what it is given (noeviction)'))
  else {
    findings.push(
      fail(
        check,
        `maxmemory-policy is ${dropping}, which drops sessions`,
        'set maxmemory-policy noeviction in Redis',
      ),
    )
  }
  return findings
}

/** Whether our secrets open the signing keys that replicas share there. */
function checkRing(probe: RedisProbe, secrets: readonly Uint8Array[]): Finding[] {
  if ('reason' in probe || probe.ring === undefined) return []
  try {
    createKeyRingSeal(secrets).open(probe.ring)
    return [pass(check, 'BFF_SECRETS opens the signing keys in it')]
  } catch {
    return [
      fail(
        check,
        'BFF_SECRETS does not open the signing keys in it: nobody could sign in',
        'put the secret they were wrapped with back into BFF_SECRETS, or use an empty Redis',
      ),
    ]
  }
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

function checkTls(target: RedisTarget, isProduction: boolean): Finding[] {
  const isNear = toHosts(target).every((host) => /^(localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)$/.test(host))
  if (target.tls) return [pass(check, 'over TLS')]
  if (isNear || !isProduction) return []
  return [
    warn(
      check,
      'without TLS: what passes is sealed, but the password of Redis is not',
      'use rediss://, or a network that nobody else is on',
    ),
  ]
}
