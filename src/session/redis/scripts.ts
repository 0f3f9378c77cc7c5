/**
 * Every write to Redis, as Lua scripts, each atomic. A session is one hash:
 *
 * v  format                   i  sealed identity        t  sealed tokens        n  version of the tokens f
 * last fencing number      c  created                l  last seen            x  idle expiry a  absolute
 * expiry          g  keys of its indexes    b  sealed refresh tokens of superseded sessions
 *
 * Times are milliseconds since the epoch; `g` and `b` are lists with spaces between. A tombstone is:
 *
 * v  `ended`                  i, t, n, b  as above, until its tokens are revoked o  when its own browser
 * first signed out r  handle of the session that superseded it           s  when it was superseded
 *
 * Any other value under the key, such as one of a newer format, is no session.
 *
 * A Redis that is out of memory refuses a script whose first write may need memory (HSET), but accepts it
 * after a write that needs none (DEL, PEXPIRE). Those come first, so that sessions and logout still work
 * (fault F49).
 */

/** The format that this version writes, and the only one it accepts. */
export const recordFormat = '2'

/** Whether KEYS[1] is an active session of this format at the time `now`. Other formats are not touched. */
const isAlive = `
local function is_alive(now)
  if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then return false end
  local session = redis.call('HMGET', KEYS[1], 'v', 'x')
  return session[1] == '${recordFormat}' and (tonumber(session[2]) or 0) > tonumber(now)
end
`

/** A write that needs no memory, to precede one that may. It does not change the session's time to live. */
const touchTimeToLive = `
local left = redis.call('PTTL', KEYS[1])
if left > 0 then redis.call('PEXPIRE', KEYS[1], left) end`

/** KEYS: session. ARGV: milliseconds to live, then the fields. Returns 1 if it was written. */
export const createScript = `
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1`

/**
 * KEYS: session. ARGV: now, idle expiry, milliseconds to live. Returns 1 if active. Never shortens its life.
 */
export const touchScript = `${isAlive}
if not is_alive(ARGV[1]) then return 0 end
if tonumber(redis.call('HGET', KEYS[1], 'x')) > tonumber(ARGV[2]) then return 1 end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('HSET', KEYS[1], 'l', ARGV[1], 'x', ARGV[2])
return 1`

/**
 * KEYS: session, lock. ARGV: now, life of a tombstone without and with tokens, whether its own browser signs
 * out (1 or 0), the handle of its successor or nothing, whether its tokens are dropped (1 or 0), milliseconds
 * for which a successor counts. Returns whether it was active (1 or 0), when its browser first signed out,
 * the successor that superseded it within that time, the keys of its indexes, and its tokens: i, t, n, b.
 */
export const endScript = `${isAlive}
local kind = redis.call('TYPE', KEYS[1]).ok
local found = {}
if kind == 'hash' then
  found = redis.call('HMGET', KEYS[1], 'v', 'g', 'i', 't', 'n', 'b', 'o', 'r', 's')
end
local signed_out = found[7] or (ARGV[4] == '1' and ARGV[1]) or ''
local is_recent = tonumber(ARGV[1]) - (tonumber(found[9] or 0) or 0) <= tonumber(ARGV[7])
local successor = is_recent and found[8] or ''
local function note()
  if ARGV[4] == '1' then redis.call('HSETNX', KEYS[1], 'o', ARGV[1]) end
  if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], 'r', ARGV[5], 's', ARGV[1]) end
end
if found[1] == 'ended' then
  ${touchTimeToLive}
  note()
  return { 0, signed_out, successor, '', '', '', '', '' }
end
if kind == 'none' then
  if ARGV[4] == '1' or ARGV[5] ~= '' then
    local made = redis.pcall('HSET', KEYS[1], 'v', 'ended')
    if type(made) == 'number' then
      note()
      redis.call('PEXPIRE', KEYS[1], ARGV[2])
    end
  end
  return { 0, signed_out, '', '', '', '', '', '' }
end
local alive = is_alive(ARGV[1]) and 1 or 0
local leaves = ARGV[6] ~= '1' and found[1] == '${recordFormat}' and found[3] and found[4] and found[5]
local inherited = found[6] or ''
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[1], 'v', 'ended')
note()
local keeps = leaves and ARGV[5] == ''
if keeps then redis.call('HSET', KEYS[1], 'i', found[3], 't', found[4], 'n', found[5], 'b', inherited) end
redis.call('PEXPIRE', KEYS[1], keeps and ARGV[3] or ARGV[2])
if not leaves then return { alive, signed_out, '', found[2] or '', '', '', '', '' } end
return { alive, signed_out, '', found[2] or '', found[3], found[4], found[5], inherited }`

/** KEYS: session. ARGV: now, sealed tokens or nothing. Returns 1 if the session is active. */
export const inheritScript = `${isAlive}
if not is_alive(ARGV[1]) then return 0 end
if ARGV[2] == '' then return 1 end
local before = redis.call('HGET', KEYS[1], 'b')
${touchTimeToLive}
redis.call('HSET', KEYS[1], 'b', before and before .. ' ' .. ARGV[2] or ARGV[2])
return 1`

/**
 * KEYS: session. ARGV: now, milliseconds for which the tombstone is kept with tokens, sealed identity, sealed
 * tokens, whether a successor has ended as well (1 or 0). Returns the version of the tokens, or 0 if the key
 * holds something else than an ended session, and the inherited tokens; or -1 and the successor's handle.
 */
export const keepForRevocationScript = `${isAlive}
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'none' and kind ~= 'hash' then return { 0, '' } end
local format = kind == 'hash' and redis.call('HGET', KEYS[1], 'v')
if is_alive(ARGV[1]) or (format and format ~= 'ended' and format ~= '${recordFormat}') then return { 0, '' } end
local known = redis.call('HMGET', KEYS[1], 'n', 'o', 'r', 'b')
if known[3] and not known[2] and ARGV[5] ~= '1' then return { -1, known[3] } end
local version = (tonumber(known[1] or 0) or 0) + 1
if format == '${recordFormat}' then redis.call('DEL', KEYS[1]) end
${touchTimeToLive}
redis.call('HSET', KEYS[1], 'v', 'ended', 'i', ARGV[3], 't', ARGV[4], 'n', version)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return { version, known[4] or '' }`

/**
 * KEYS: session. ARGV: version of the tokens, life of a tombstone without tokens. Returns 0 if newer ones
 * came.
 */
export const completeRevocationScript = `
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then return 1 end
local found = redis.call('HMGET', KEYS[1], 'v', 'n', 't')
if found[1] ~= 'ended' or not found[3] then return 1 end
if tonumber(found[2]) > tonumber(ARGV[1]) then return 0 end
redis.call('HDEL', KEYS[1], 'i', 't', 'b')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`

/** KEYS: revocation queue. ARGV: when the revocation is due, a handle, milliseconds to live. */
export const enqueueScript = `
redis.call('ZREM', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`

/** KEYS: revocation queue. ARGV: now, how many, when they are due again. Returns the handles that are due. */
export const takeDueRevocationsScript = `
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, handle in ipairs(due) do
  redis.call('ZREM', KEYS[1], handle)
  redis.call('ZADD', KEYS[1], ARGV[3], handle)
end
return due`

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

/** KEYS: session, lock. ARGV: now, expected version, fencing number, sealed identity, sealed tokens. */
export const commitScript = `${isAlive}
if not is_alive(ARGV[1]) then return 'ended' end
local found = redis.call('HMGET', KEYS[1], 'n', 'f')
if found[1] ~= ARGV[2] then return 'stale' end
if found[2] ~= ARGV[3] then return 'lock-lost' end
${touchTimeToLive}
redis.call('HSET', KEYS[1], 'i', ARGV[4], 't', ARGV[5], 'n', ARGV[2] + 1)
if redis.call('GET', KEYS[2]) == ARGV[3] then redis.call('DEL', KEYS[2]) end
return 'committed'`

/**
 * KEYS: index. ARGV: now, expiry of the entry, the entry, milliseconds to live. An entry is written before
 * its session and may outlive it, so that a reader of the index has to read each session as well.
 */
export const indexScript = `
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[3])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return 1`

/**
 * KEYS: reservation, its text. ARGV: the new value, the text, milliseconds for which the text lives. Returns
 * 0 if the reservation was cancelled.
 */
export const settleReservationScript = `
if redis.call('GET', KEYS[1]) == 'cancelled' then return 0 end
local left = redis.call('PTTL', KEYS[1])
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[1], ARGV[1], 'PX', left > 0 and left or ARGV[3])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 1`

/**
 * KEYS: reservation. ARGV: milliseconds to live. Returns its value before, or false. A settled one is left
 * unchanged. A write that a full Redis refuses is ignored: no login can succeed then, so the logout need not
 * fail.
 */
export const cancelReservationScript = `
local before = redis.call('GET', KEYS[1])
if not before or before == 'held' then redis.pcall('SET', KEYS[1], 'cancelled', 'PX', ARGV[1]) end
return before`

/** KEYS: text. ARGV: the text, milliseconds to live. */
export const setTextScript = `
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`

/** KEYS: counter. ARGV: window in milliseconds. Returns the hits, and the milliseconds left of the window. */
export const countScript = `
local left = redis.call('PTTL', KEYS[1])
if left > 0 then redis.call('PEXPIRE', KEYS[1], left) else redis.call('DEL', KEYS[1]) end
local hits = redis.call('INCR', KEYS[1])
if hits > 1 then return { hits, left } end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return { hits, tonumber(ARGV[1]) }`

/** KEYS: shared text. ARGV: expected version, text. Returns 1 if it was written. */
export const writeSharedScript = `
if (redis.call('HGET', KEYS[1], 'n') or '0') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'n', ARGV[1] + 1, 'text', ARGV[2])
return 1`
