-- End all waits of a shop after the server's clock was set back, because they would last too long. Idempotent.
-- KEYS: prefix, prefix..'shop'.  ARGV: now, maximum of customers
-- Reply: how many customers were delayed; if it is the maximum, there may be more
-- Parts: _time, _queue.
local MAX_TTL_MS = 15000 -- of a lease and of a pending wake-up
local P = KEYS[1]
local now = now_ms(ARGV[1])
local delayed = redis.call('ZRANGEBYSCORE', P .. 'delayed', '(' .. now, '+inf', 'LIMIT', 0, ARGV[2])
for _, cid in ipairs(delayed) do redis.call('ZADD', P .. 'delayed', now, cid) end
redis.call('HDEL', P .. 'state', 'read_open_until', 'write_open_until', 'single_reads_until')
if redis.call('HEXISTS', P .. 'state', 'next_probe_ms') == 1 then
  redis.call('HSET', P .. 'state', 'next_probe_ms', now)
end
if redis.call('PTTL', P .. 'lease') > MAX_TTL_MS then redis.call('PEXPIRE', P .. 'lease', MAX_TTL_MS) end
if redis.call('PTTL', P .. 'wakeup_pending') > MAX_TTL_MS then redis.call('DEL', P .. 'wakeup_pending') end
redis.call('ZADD', partition_key(P, 'due_shops'), 'XX', 'LT', now, org_of(P))
return #delayed
