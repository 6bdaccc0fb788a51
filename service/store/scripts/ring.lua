-- May the sweep ring for this shop? Only where nobody works and no wake-up is on its way.
-- KEYS: 1 prefix.  ARGV: now
-- Answer: {ring(0|1), number of the ring}
-- Needs place.lua.
local P = KEYS[1]
local now = clock(ARGV[1])
local org = string.match(P, '{(.-)}')
-- A lock lives 15 s. One that seems to live longer was taken before the server's clock was set back.
if redis.call('PTTL', P .. 'lock') > 15000 then redis.call('PEXPIRE', P .. 'lock', 15000) end
if redis.call('EXISTS', P .. 'lock') == 1 then return { 0, 0 } end
local paused = redis.call('HMGET', P .. 'state', 'paused', 'probe_at')
if paused[1] and (not paused[2] or tonumber(paused[2]) > now) then
  redis.call('ZADD', 'tagger:due', math.max(now + 5000, tonumber(paused[2] or '0')), org)
  return { 0, 0 }
end
if not redis.call('SET', P .. 'wake', '1', 'NX', 'PX', 5000) then return { 0, 0 } end
redis.call('ZADD', 'tagger:due', now + 5000, org)
return { 1, redis.call('INCR', P .. 'rings') }
