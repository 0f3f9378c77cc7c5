import { scoreUnit } from '../group-names.ts'

/** The writes to the index of sessions, as Lua scripts, each atomic. */

/**
 * KEYS: for each group its part of the index, its cut-off, and everyone's. ARGV: the minute that it is,
 * milliseconds to live, then for each group the score and the entry. Returns the cut-offs.
 *
 * Each call looks at a few random entries and drops those that have expired: as with Redis's own keys, this
 * keeps the expired ones few.
 */
export const indexScript = `
local cutoffs = {}
for group = 1, #KEYS / 3 do
  local part, score, entry = KEYS[3 * group - 2], ARGV[1 + 2 * group], ARGV[2 + 2 * group]
  redis.call('ZREM', part, entry)
  local some = redis.call('ZRANDMEMBER', part, 4, 'WITHSCORES')
  for i = 1, #some, 2 do
    if tonumber(some[i + 1]) % ${scoreUnit} <= tonumber(ARGV[1]) then redis.call('ZREM', part, some[i]) end
  end
  redis.call('ZADD', part, score, entry)
  if redis.call('PTTL', part) < tonumber(ARGV[2]) then redis.call('PEXPIRE', part, ARGV[2]) end
  cutoffs[2 * group - 1] = redis.call('GET', KEYS[3 * group - 1])
  cutoffs[2 * group] = redis.call('GET', KEYS[3 * group])
end
return cutoffs`

/** KEYS: as of `indexScript`. ARGV: for each group the entry. */
export const unindexScript = `
for group = 1, #KEYS / 3 do redis.call('ZREM', KEYS[3 * group - 2], ARGV[group]) end
return 1`
