/** The writes to what the replicas share beside sessions, as Lua scripts, each atomic. */

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

/**
 * KEYS: list, the newest last. ARGV: now, milliseconds to live, how many are kept, and the new entries. Each
 * entry begins with the time until which it is kept.
 */
export const appendRecentScript = `
local oldest = redis.call('LINDEX', KEYS[1], 0)
while oldest and tonumber(string.match(oldest, '^%d+')) <= tonumber(ARGV[1]) do
  redis.call('LPOP', KEYS[1])
  oldest = redis.call('LINDEX', KEYS[1], 0)
end
for index = 4, #ARGV do redis.call('RPUSH', KEYS[1], ARGV[index]) end
redis.call('LTRIM', KEYS[1], -tonumber(ARGV[3]), -1)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`

/** KEYS: shared text. ARGV: expected version, text. Returns 1 if it was written. */
export const writeSharedScript = `
if (redis.call('HGET', KEYS[1], 'n') or '0') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'n', ARGV[1] + 1, 'text', ARGV[2])
return 1`
