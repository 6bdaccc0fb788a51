-- Acquire a shop's lease for one drain, and read what the drain needs to know of the shop.
-- KEYS: prefix, prefix..'shop'.  ARGV: now, token, lease_ms
-- Reply: {acquired(0|1), now, live version, planned customers, customers with tags of ours, state as field, value, ...}
-- Parts: _time.
local P = KEYS[1]
local now = now_ms(ARGV[1])
if not redis.call('SET', P .. 'lease', ARGV[2], 'NX', 'PX', ARGV[3]) then
  if redis.call('GET', P .. 'lease') ~= ARGV[2] then return { 0, now, '0', 0, 0, {} } end
end
redis.call('DEL', P .. 'wakeup_pending')
local planned = redis.call('ZCARD', P .. 'planned:live') + redis.call('ZCARD', P .. 'planned:bulk')
return { 1, now, redis.call('GET', P .. 'live_version') or '0', planned, redis.call('HLEN', P .. 'owned'),
  redis.call('HGETALL', P .. 'state') }
