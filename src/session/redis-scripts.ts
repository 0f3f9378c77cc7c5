/**
 * Every write to Redis, as Lua scripts, each atomic. A session is one hash:
 *
 * v  format      i  sealed identity     t  sealed tokens      n  version of the tokens     f  last fencing number
 * c  created     l  last seen           x  idle expiry        a  absolute expiry           (milliseconds since the epoch)
 * u  the index of its user              s  the index of its session at the provider
 *
 * An ended session leaves a hash that holds `v = ended` alone, its tombstone. Whatever else stands under the key, such as
 * a value of a newer format, is no session.
 *
 * Redis that is out of memory refuses a script's first write where it may need more (HSET), but not what follows a write
 * that needs none (DEL, PEXPIRE): those come first, so that sessions, limits and logout go on (fault F49).
 */

/** The format this version writes, and the only one it takes. */
export const recordFormat = '1'

/** Whether KEYS[1] is a living session of our format at the time `now`; other formats are left alone. */
const isAlive = `
local function is_alive(now)
  if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then return false end
  local session = redis.call('HMGET', KEYS[1], 'v', 'x')
  return session[1] == '${recordFormat}' and (tonumber(session[2]) or 0) > tonumber(now)
end
`

/** A write that needs no memory, before one that may; it leaves the session's time to live as it is. */
const touchTimeToLive = `
local left = redis.call('PTTL', KEYS[1])
if left > 0 then redis.call('PEXPIRE', KEYS[1], left) end`

/** KEYS: session. ARGV: milliseconds to live, then the fields. 1 where it was written. */
export const createScript = `
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1`

/** KEYS: session. ARGV: now, idle expiry, milliseconds to live. 1 where the session lives; its end never comes nearer. */
export const touchScript = `${isAlive}
if not is_alive(ARGV[1]) then return 0 end
if tonumber(redis.call('HGET', KEYS[1], 'x')) > tonumber(ARGV[2]) then return 1 end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('HSET', KEYS[1], 'l', ARGV[1], 'x', ARGV[2])
return 1`

/**
 * KEYS: session, lock. ARGV: now, milliseconds the tombstone stands. Whether the session was alive (1 or 0), and the
 * indexes that know it.
 */
export const endScript = `${isAlive}
local alive = is_alive(ARGV[1]) and 1 or 0
local indexes = {}
if redis.call('TYPE', KEYS[1]).ok == 'hash' then
  local found = redis.call('HMGET', KEYS[1], 'v', 'u', 's')
  if found[1] == 'ended' then return { 0 } end
  indexes = { found[2] or '', found[3] or '' }
end
if redis.call('DEL', KEYS[1], KEYS[2]) == 0 then return { 0 } end
redis.call('HSET', KEYS[1], 'v', 'ended')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return { alive, unpack(indexes) }`

/**
 * KEYS: session, lock. ARGV: now, lease in milliseconds. The new fencing number; 0 where the lock is held, -1 where there
 * is no session, below -1 where nobody gets it yet: minus one more than the milliseconds that remain.
 */
export const lockScript = `${isAlive}
if not is_alive(ARGV[1]) then return -1 end
local holder = redis.call('GET', KEYS[2])
if holder == 'paused' then return -1 - math.max(1, redis.call('PTTL', KEYS[2])) end
if holder then return 0 end
${touchTimeToLive}
local fence = redis.call('HINCRBY', KEYS[1], 'f', 1)
redis.call('SET', KEYS[2], fence, 'PX', ARGV[2])
return fence`

/** KEYS: lock. ARGV: fencing number, lease in milliseconds. 1 where the lock is still ours. */
export const renewLockScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`

/** KEYS: lock. ARGV: fencing number, milliseconds during which nobody gets it. */
export const unlockScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
if tonumber(ARGV[2]) > 0 then redis.call('SET', KEYS[1], 'paused', 'PX', ARGV[2]) end
return 1`

/** KEYS: session, lock. ARGV: now, expected version, fencing number, sealed identity, sealed tokens. */
export const commitScript = `${isAlive}
if not is_alive(ARGV[1]) then return 'ended' end
local found = redis.call('HMGET', KEYS[1], 'n', 'f')
if found[1] ~= ARGV[2] then return 'stale' end
if found[2] ~= ARGV[3] then return 'fenced' end
${touchTimeToLive}
redis.call('HSET', KEYS[1], 'i', ARGV[4], 't', ARGV[5], 'n', ARGV[2] + 1)
if redis.call('GET', KEYS[2]) == ARGV[3] then redis.call('DEL', KEYS[2]) end
return 'committed'`

/**
 * KEYS: index. ARGV: now, expiry of the entry, the entry, milliseconds to live. An entry is written before its session and
 * may outlive it: whoever reads the index reads each session as well.
 */
export const indexScript = `
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[3])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return 1`

/** KEYS: counter. ARGV: window in milliseconds. How often, and the milliseconds that remain of the window. */
export const countScript = `
local left = redis.call('PTTL', KEYS[1])
if left > 0 then redis.call('PEXPIRE', KEYS[1], left) else redis.call('DEL', KEYS[1]) end
local hits = redis.call('INCR', KEYS[1])
if hits > 1 then return { hits, left } end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return { hits, tonumber(ARGV[1]) }`

/** KEYS: shared text. ARGV: expected version, text. 1 where it was written. */
export const writeSharedScript = `
if (redis.call('HGET', KEYS[1], 'n') or '0') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'n', ARGV[1] + 1, 'text', ARGV[2])
return 1`
