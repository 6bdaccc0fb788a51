-- The server's clock was set back: who waits until a moment of the clock as it was would wait too long. All waiting
-- of this shop is over instead, as a step forward would have ended it. Twice does no more than once.
-- KEYS: 1 prefix.  ARGV: now, most customers
-- Answer: how many customers were waiting; with as many as asked for there may be more
-- Needs place.lua.
local LONGEST_MS = 15000 -- neither a lock nor a wake-up lives longer
local P = KEYS[1]
local now = clock(ARGV[1])
local waiting = redis.call('ZRANGEBYSCORE', P .. 'later', '(' .. now, '+inf', 'LIMIT', 0, ARGV[2])
for _, cid in ipairs(waiting) do redis.call('ZADD', P .. 'later', now, cid) end
redis.call('HDEL', P .. 'state', 'read_open_until', 'write_open_until', 'singles_until')
if redis.call('HEXISTS', P .. 'state', 'probe_at') == 1 then redis.call('HSET', P .. 'state', 'probe_at', now) end
if redis.call('PTTL', P .. 'lock') > LONGEST_MS then redis.call('PEXPIRE', P .. 'lock', LONGEST_MS) end
if redis.call('PTTL', P .. 'wake') > LONGEST_MS then redis.call('DEL', P .. 'wake') end
redis.call('ZADD', 'tagger:due', 'XX', 'LT', now, string.match(P, '{(.-)}'))
return #waiting
