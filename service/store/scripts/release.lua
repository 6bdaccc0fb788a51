-- Give up the lock and say, in the same moment, whether and when to ring again, so that no wake-up is lost between.
-- KEYS: 1 prefix.  ARGV: now, token, wait_ms (how soon there may be room for more), then state as field, value, …
-- Answer: {ring(0|1), number of the ring, delay_ms}
-- Needs place.lua.
local P = KEYS[1]
local now = clock(ARGV[1])
local org = string.match(P, '{(.-)}')
if redis.call('GET', P .. 'lock') ~= ARGV[2] then return { 0, 0, 0 } end
redis.call('DEL', P .. 'lock')
for i = 4, #ARGV - 1, 2 do
  if ARGV[i + 1] == '' then redis.call('HDEL', P .. 'state', ARGV[i])
  else redis.call('HSET', P .. 'state', ARGV[i], ARGV[i + 1]) end
end

local paused = redis.call('HMGET', P .. 'state', 'paused', 'probe_at')
if paused[1] then
  redis.call('ZADD', 'tagger:due', math.max(now + 5000, tonumber(paused[2] or '0')), org)
  return { 0, 0, 0 }
end

local delay = nil
if redis.call('EXISTS', P .. 'live', P .. 'bulk', P .. 'plan:live', P .. 'plan:bulk') > 0 then
  delay = tonumber(ARGV[3])
end
local first = redis.call('ZRANGE', P .. 'later', 0, 0, 'WITHSCORES')
if first[1] then
  -- Who is due by now is as good as ready: were the shop rung at once while its reads rest, it would be for ever.
  local wait = tonumber(first[2]) - now
  if wait <= 0 then wait = tonumber(ARGV[3]) end
  if not delay or wait < delay then delay = wait end
end
if not delay then
  redis.call('ZREM', 'tagger:due', org)
  return { 0, 0, 0 }
end
if delay > 10000 then
  redis.call('ZADD', 'tagger:due', now + delay, org) -- the sweep rings then
  return { 0, 0, 0 }
end
redis.call('ZADD', 'tagger:due', now + delay + 5000, org) -- the sweep rings should this one be lost
-- 'd' is a wake-up for later: a live mark may ring before it
redis.call('SET', P .. 'wake', delay > 100 and 'd' or '1', 'PX', delay + 5000)
return { 1, redis.call('INCR', P .. 'rings'), delay }
