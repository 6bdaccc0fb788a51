-- Acquire a shop's lease for one drain, and read what the drain needs to know of the shop.
-- KEYS: prefix, prefix..'shop'.  ARGV: now, token, lease_ms, the channel of the worker process ('' = none)
-- Reply: {acquired(0|1), now, live version, planned customers, customers with tags of ours, state as field, value, ...}
-- Parts: _time, _holder.
local P = KEYS[1]
local now = now_ms(ARGV[1])
local holder = lease_token(P)
if holder and holder ~= ARGV[2] then return { 0, now, '0', 0, 0, {} } end
redis.call('SET', P .. 'lease', ARGV[2], 'PX', ARGV[3])
note_process(P, ARGV[4])
redis.call('DEL', P .. 'wakeup_pending')
local planned = redis.call('ZCARD', P .. 'planned:live') + redis.call('ZCARD', P .. 'planned:bulk')
return { 1, now, redis.call('GET', P .. 'live_version') or '0', planned, redis.call('HLEN', P .. 'owned'),
  redis.call('HGETALL', P .. 'state') }
