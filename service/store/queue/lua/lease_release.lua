-- Release the lease and decide in the same step whether and when to wake the shop again, so that no wake-up is lost.
-- KEYS: prefix, prefix..'shop'.  ARGV: now, token, wait_ms (until there may be room for more), '1' if the drain failed
--   (customers that it dequeued and did not settle are then suspects), then state as field, value, ... (an empty value
--   removes the field)
-- Reply: {wake(0|1), number of the wake-up, delay_ms}
-- Parts: _time, _queue.
local P = KEYS[1]
local now = now_ms(ARGV[1])
local org, due_shops = org_of(P), partition_key(P, 'due_shops')
if redis.call('GET', P .. 'lease') ~= ARGV[2] then return { 0, 0, 0 } end
redis.call('DEL', P .. 'lease', P .. 'lease_process')
if ARGV[4] ~= '1' then
  local unsettled = redis.call('HGETALL', P .. 'unsettled')
  for i = 1, #unsettled, 2 do -- those of an earlier holder stay: it may have died
    if unsettled[i + 1] == ARGV[2] then redis.call('HDEL', P .. 'unsettled', unsettled[i]) end
  end
end
for i = 5, #ARGV - 1, 2 do
  if ARGV[i + 1] == '' then redis.call('HDEL', P .. 'state', ARGV[i])
  else redis.call('HSET', P .. 'state', ARGV[i], ARGV[i + 1]) end
end

-- A removed shop is not woken. Adding it again makes it due.
if redis.call('EXISTS', P .. 'shop') == 0 then
  redis.call('ZREM', due_shops, org)
  return { 0, 0, 0 }
end

local state = redis.call('HMGET', P .. 'state', 'paused', 'next_probe_ms')
if state[1] then
  redis.call('ZADD', due_shops, math.max(now + 5000, tonumber(state[2] or '0')), org)
  return { 0, 0, 0 }
end

local delay = nil
if redis.call('EXISTS', P .. 'ready:live', P .. 'ready:bulk', P .. 'planned:live', P .. 'planned:bulk') > 0 then
  delay = tonumber(ARGV[3])
end
local first = redis.call('ZRANGE', P .. 'delayed', 0, 0, 'WITHSCORES')
if first[1] then
  -- A delayed customer that is due counts as ready, so it waits for `wait_ms` as well. Waking the shop at once while its
  -- reads are denied would repeat endlessly.
  local wait = tonumber(first[2]) - now
  if wait <= 0 then wait = tonumber(ARGV[3]) end
  if not delay or wait < delay then delay = wait end
end
if not delay then
  redis.call('ZREM', due_shops, org)
  return { 0, 0, 0 }
end
if delay > 10000 then
  redis.call('ZADD', due_shops, now + delay, org) -- the sweep wakes the shop then
  return { 0, 0, 0 }
end
redis.call('ZADD', due_shops, now + delay + 5000, org) -- the sweep wakes the shop if this wake-up is lost
-- 'delayed': a live mark may wake the shop earlier
redis.call('SET', P .. 'wakeup_pending', delay > 100 and 'delayed' or 'now', 'PX', delay + 5000)
return { 1, redis.call('INCR', P .. 'wakeup_seq'), delay }
