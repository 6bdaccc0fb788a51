-- Reserve a wake-up of a due shop for the sweep, unless a drain holds the lease or a wake-up is pending.
-- KEYS: prefix, prefix..'shop'.  ARGV: now
-- Reply: {wake(0|1), number of the wake-up}
-- Parts: _time, _queue, _holder.
local P = KEYS[1]
local now = now_ms(ARGV[1])
local org, due_shops = org_of(P), partition_key(P, 'due_shops')
-- A lease lives 15 s. One with more time left was acquired before the server's clock was set back.
if redis.call('PTTL', P .. 'lease') > 15000 then redis.call('PEXPIRE', P .. 'lease', 15000) end
if lease_token(P) then return { 0, 0 } end
local state = redis.call('HMGET', P .. 'state', 'paused', 'next_probe_ms')
if state[1] and (not state[2] or tonumber(state[2]) > now) then
  redis.call('ZADD', due_shops, math.max(now + 5000, tonumber(state[2] or '0')), org)
  return { 0, 0 }
end
if not redis.call('SET', P .. 'wakeup_pending', 'now', 'NX', 'PX', 5000) then return { 0, 0 } end
redis.call('ZADD', due_shops, now + 5000, org)
return { 1, redis.call('INCR', P .. 'wakeup_seq') }
