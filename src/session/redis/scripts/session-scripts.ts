/**
 * Every write to a session in Redis, as Lua scripts, each atomic. A session is one hash of few fields,
 * because each takes some fifty bytes beside its value:
 *
 * v  format                   i  sealed identity and tokens    n  version of the tokens
 * x  times: idle expiry, last seen, created, absolute expiry   f  last fencing number
 * b  sealed refresh tokens of superseded sessions
 *
 * Times are milliseconds since the epoch; `x` and `b` are lists with spaces between. A tombstone is:
 *
 * v  `ended`                  i, n, b  as above, until its tokens are revoked
 * o  when its own browser first signed out
 * r  handle of the session that superseded it                  s  when it was superseded
 *
 * Any other value under the key, such as one of a newer format, is no session.
 *
 * A Redis that is out of memory refuses a script whose first write may need memory (HSET), but accepts it
 * after a write that needs none (DEL, PEXPIRE). Those come first, so that sessions and logout still work
 * (fault F49).
 */

/** The format that this version writes, and the only one it accepts. */
export const recordFormat = '3'

/** Whether KEYS[1] is an active session of this format at the time `now`. Other formats are not touched. */
const isAlive = `
local function is_alive(now)
  if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then return false end
  local session = redis.call('HMGET', KEYS[1], 'v', 'x')
  if session[1] ~= '${recordFormat}' then return false end
  return (tonumber(string.match(session[2] or '', '^%d+')) or 0) > tonumber(now)
end
`

/** A write that needs no memory, to precede one that may. It does not change the session's time to live. */
const touchTimeToLive = `
local left = redis.call('PTTL', KEYS[1])
if left > 0 then redis.call('PEXPIRE', KEYS[1], left) end`

/** KEYS: session. ARGV: milliseconds to live, times, sealed session. Returns 1 if it was written. */
export const createScript = `
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'v', '${recordFormat}', 'n', 1, 'x', ARGV[2], 'i', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1`

/**
 * KEYS: session. ARGV: now, idle timeout, milliseconds between two uses that are written, milliseconds to
 * live after the expiry. Returns the fields v, x, n, i, b of the session, with its new times; of a value of
 * another format the format alone. Never shortens its life.
 */
export const touchScript = `
local found = redis.pcall('HMGET', KEYS[1], 'v', 'x', 'n', 'i', 'b')
if found.err then return { 'WRONGTYPE' } end
if found[1] ~= '${recordFormat}' then return { found[1] } end
local idle, seen, created, absolute = string.match(found[2] or '', '^(%d+) (%d+) (%d+) (%d+)$')
local now = tonumber(ARGV[1])
if not idle or tonumber(idle) <= now or now - seen < tonumber(ARGV[3]) then return found end
local extended = math.min(now + ARGV[2], tonumber(absolute))
if extended < tonumber(idle) then return found end
found[2] = string.format('%.0f %s %s %s', extended, ARGV[1], created, absolute)
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', extended - now + ARGV[4]))
redis.call('HSET', KEYS[1], 'x', found[2])
return found`

/**
 * KEYS: session, lock. ARGV: now, life of a tombstone without and with tokens, whether its own browser signs
 * out (1 or 0), the handle of its successor or nothing, whether its tokens are dropped (1 or 0), milliseconds
 * for which a successor counts. Returns whether it was active (1 or 0), when its browser first signed out,
 * the successor that superseded it within that time, and if it is of this format: i, n, b.
 */
export const endScript = `${isAlive}
local kind = redis.call('TYPE', KEYS[1]).ok
local found = {}
if kind == 'hash' then
  found = redis.call('HMGET', KEYS[1], 'v', 'i', 'n', 'b', 'o', 'r', 's')
end
local signed_out = found[5] or (ARGV[4] == '1' and ARGV[1]) or ''
local is_recent = tonumber(ARGV[1]) - (tonumber(found[7] or 0) or 0) <= tonumber(ARGV[7])
local successor = is_recent and found[6] or ''
local function note()
  if ARGV[4] == '1' then redis.call('HSETNX', KEYS[1], 'o', ARGV[1]) end
  if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], 'r', ARGV[5], 's', ARGV[1]) end
end
if found[1] == 'ended' then
  ${touchTimeToLive}
  note()
  return { 0, signed_out, successor }
end
if kind == 'none' then
  if ARGV[4] == '1' or ARGV[5] ~= '' then
    local made = redis.pcall('HSET', KEYS[1], 'v', 'ended')
    if type(made) == 'number' then
      note()
      redis.call('PEXPIRE', KEYS[1], ARGV[2])
    end
  end
  return { 0, signed_out, '' }
end
local alive = is_alive(ARGV[1]) and 1 or 0
local is_whole = found[1] == '${recordFormat}' and found[2] and found[3]
local inherited = found[4] or ''
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[1], 'v', 'ended')
note()
local keeps = is_whole and ARGV[6] ~= '1' and ARGV[5] == ''
if keeps then redis.call('HSET', KEYS[1], 'i', found[2], 'n', found[3], 'b', inherited) end
redis.call('PEXPIRE', KEYS[1], keeps and ARGV[3] or ARGV[2])
if not is_whole then return { alive, signed_out, '' } end
return { alive, signed_out, '', found[2], found[3], inherited }`

/** KEYS: session. ARGV: now, sealed tokens or nothing. Returns 1 if the session is active. */
export const inheritScript = `${isAlive}
if not is_alive(ARGV[1]) then return 0 end
if ARGV[2] == '' then return 1 end
local before = redis.call('HGET', KEYS[1], 'b')
${touchTimeToLive}
redis.call('HSET', KEYS[1], 'b', before and before .. ' ' .. ARGV[2] or ARGV[2])
return 1`

/**
 * KEYS: session. ARGV: now, milliseconds for which the tombstone is kept with tokens, sealed session, whether
 * a successor has ended as well (1 or 0). Returns the version of the tokens, or 0 if the key holds something
 * else than an ended session, and the inherited tokens; or -1 and the successor's handle.
 */
export const keepForRevocationScript = `${isAlive}
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'none' and kind ~= 'hash' then return { 0, '' } end
local format = kind == 'hash' and redis.call('HGET', KEYS[1], 'v')
if is_alive(ARGV[1]) or (format and format ~= 'ended' and format ~= '${recordFormat}') then return { 0, '' } end
local known = redis.call('HMGET', KEYS[1], 'n', 'o', 'r', 'b')
if known[3] and not known[2] and ARGV[4] ~= '1' then return { -1, known[3] } end
local version = (tonumber(known[1] or 0) or 0) + 1
if format == '${recordFormat}' then redis.call('DEL', KEYS[1]) end
${touchTimeToLive}
redis.call('HSET', KEYS[1], 'v', 'ended', 'i', ARGV[3], 'n', version)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return { version, known[4] or '' }`

/**
 * KEYS: session. ARGV: version of the tokens, life of a tombstone without tokens. Returns 0 if newer ones
 * came.
 */
export const completeRevocationScript = `
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then return 1 end
local found = redis.call('HMGET', KEYS[1], 'v', 'n', 'i')
if found[1] ~= 'ended' or not found[3] then return 1 end
if tonumber(found[2]) > tonumber(ARGV[1]) then return 0 end
redis.call('HDEL', KEYS[1], 'i', 'b')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`

/**
 * KEYS: session, lock. ARGV: now, lease in milliseconds. Returns the new fencing number; 0 if the lock is
 * held; -1 if there is no active session; less than -1 if the lock is paused: -1 minus the milliseconds left.
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

/** KEYS: lock. ARGV: fencing number, lease in milliseconds. Returns 1 if the caller still holds the lock. */
export const renewLockScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`

/** KEYS: lock. ARGV: fencing number, milliseconds for which the lock is paused. */
export const unlockScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
if tonumber(ARGV[2]) > 0 then redis.call('SET', KEYS[1], 'paused', 'PX', ARGV[2]) end
return 1`

/** KEYS: session, lock. ARGV: now, expected version, fencing number, sealed session. */
export const commitScript = `${isAlive}
if not is_alive(ARGV[1]) then return 'ended' end
local found = redis.call('HMGET', KEYS[1], 'n', 'f')
if found[1] ~= ARGV[2] then return 'stale' end
if found[2] ~= ARGV[3] then return 'lock-lost' end
${touchTimeToLive}
redis.call('HSET', KEYS[1], 'i', ARGV[4], 'n', ARGV[2] + 1)
if redis.call('GET', KEYS[2]) == ARGV[3] then redis.call('DEL', KEYS[2]) end
return 'committed'`
