/**
 * Every write to Redis, as Lua scripts, each atomic. A session is one hash:
 *
 * v  format      i  sealed identity     t  sealed tokens      n  version of the tokens     f  last fencing number
 * c  created     l  last seen           x  idle expiry        a  absolute expiry           (milliseconds since the epoch)
 * g  the indexes that know it    b  sealed refresh tokens of the sessions it replaced (both with spaces between)
 *
 * An ended session leaves a tombstone: `v = ended`, `i`, `t`, `n` and `b` until its tokens are revoked, `o`, when its own
 * browser first signed out, `r`, the handle of the session that a login put in its place, and `s`, when it did. Whatever
 * else stands under the key, such as a value of a newer format, is no session.
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
 * KEYS: session, lock. ARGV: now, milliseconds the tombstone stands without and with tokens, whether its own browser signs
 * out (1 or 0), the handle of its successor or nothing, whether nothing of its tokens is kept (1 or 0), milliseconds for
 * which a successor counts. Whether it was alive (1 or 0), when its browser first signed out, the successor it got within
 * that time, the indexes that know it, and what it left: i, t, n, b.
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

/** KEYS: session. ARGV: now, sealed tokens or nothing. 1 where the session lives. */
export const inheritScript = `${isAlive}
if not is_alive(ARGV[1]) then return 0 end
if ARGV[2] == '' then return 1 end
local before = redis.call('HGET', KEYS[1], 'b')
${touchTimeToLive}
redis.call('HSET', KEYS[1], 'b', before and before .. ' ' .. ARGV[2] or ARGV[2])
return 1`

/**
 * KEYS: session. ARGV: now, milliseconds the tombstone stands with tokens, sealed identity, sealed tokens, whether a session
 * that took its place is over as well (1 or 0). Their version, or 0 where something else stands there, and the tokens it
 * had inherited; or -1 and the session that took its place.
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

/** KEYS: session. ARGV: version of the tokens, milliseconds the tombstone stands without. 0 where newer tokens came. */
export const completeRevocationScript = `
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then return 1 end
local found = redis.call('HMGET', KEYS[1], 'v', 'n', 't')
if found[1] ~= 'ended' or not found[3] then return 1 end
if tonumber(found[2]) > tonumber(ARGV[1]) then return 0 end
redis.call('HDEL', KEYS[1], 'i', 't', 'b')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`

/** KEYS: handles with remains. ARGV: when it is due, a handle, milliseconds to live. */
export const enqueueScript = `
redis.call('ZREM', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`

/** KEYS: handles with remains. ARGV: now, how many, when they are due again. The handles that are due. */
export const takeDueRevocationsScript = `
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, handle in ipairs(due) do
  redis.call('ZREM', KEYS[1], handle)
  redis.call('ZADD', KEYS[1], ARGV[3], handle)
end
return due`

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

/** KEYS: claim, its text. ARGV: what the claim is now, the text, milliseconds the text lives. 0 where it was cancelled. */
export const settleScript = `
if redis.call('GET', KEYS[1]) == 'cancelled' then return 0 end
local left = redis.call('PTTL', KEYS[1])
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[1], ARGV[1], 'PX', left > 0 and left or ARGV[3])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 1`

/**
 * KEYS: claim. ARGV: milliseconds to live. What it was before, or false. One that is settled stays so; and where Redis is
 * full, no login can succeed either, so that a logout need not fail for want of the mark.
 */
export const cancelScript = `
local before = redis.call('GET', KEYS[1])
if not before or before == 'held' then redis.pcall('SET', KEYS[1], 'cancelled', 'PX', ARGV[1]) end
return before`

/** KEYS: text. ARGV: the text, milliseconds to live. */
export const setScript = `
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
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
