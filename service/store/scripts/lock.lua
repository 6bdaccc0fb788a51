-- Take a shop's lock for one turn, and read what the turn needs to know of the shop.
-- KEYS: 1 prefix.  ARGV: now, token, lock_ms
-- Answer: {taken(0|1), now, live version, state as field, value, …}
-- Needs place.lua.
local P = KEYS[1]
local now = clock(ARGV[1])
if not redis.call('SET', P .. 'lock', ARGV[2], 'NX', 'PX', ARGV[3]) then
  if redis.call('GET', P .. 'lock') ~= ARGV[2] then return { 0, now, '0', {} } end
end
redis.call('DEL', P .. 'wake')
return { 1, now, redis.call('GET', P .. 'live_version') or '0', redis.call('HGETALL', P .. 'state') }
