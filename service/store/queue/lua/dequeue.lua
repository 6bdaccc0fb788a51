-- Dequeue up to `max` ready customers: live first, oldest first. Nothing is removed from the queue, so a crash after
-- the call changes nothing.
-- KEYS: prefix, prefix..'shop'.  ARGV: now, token, max, linger_ms, leak (calls a second)
-- Reply: {'lease_lost'} or {'ok', now, wait_ms, then for each: customer, the fields of its mark as a flat list}
-- Parts: _time, _queue, _lease, _rate_limiter.
local P = KEYS[1]
local now = now_ms(ARGV[1])
local max = tonumber(ARGV[3])
if not owns_lease(P, ARGV[2]) then return { 'lease_lost' } end

for _, cid in ipairs(redis.call('ZRANGEBYSCORE', P .. 'delayed', '-inf', now, 'LIMIT', 0, 4 * max)) do
  local key = P .. 'mark:' .. cid
  local mark = redis.call('HMGET', key, 'lane', 'position')
  redis.call('ZREM', P .. 'delayed', cid)
  if mark[1] then
    redis.call('ZADD', P .. 'ready:' .. mark[1], mark[2], cid)
    redis.call('HSET', key, 'state', 'ready')
  end
end

-- A tenth of the batch is bulk, so that a replay advances during a flood of webhooks.
local batch = redis.call('ZRANGE', P .. 'ready:live', 0, max - 1)
local bulk = redis.call('ZRANGE', P .. 'ready:bulk', 0, max - 1)
local room = max - math.min(#bulk, math.floor(max / 10))
while #batch > room do table.remove(batch) end
for i = 1, math.min(#bulk, max - #batch) do batch[#batch + 1] = bulk[i] end

-- No linger while the rate limiter is at least three quarters free, up to `linger_ms` as it fills: while calls are
-- scarce, customers that trickle in are fetched together.
local function linger()
  local used, size = rate_limit_used(P, now, tonumber(ARGV[5]))
  return math.floor(math.max(0, used / size - 0.25) / 0.75 * tonumber(ARGV[4]))
end

if #batch > 0 and #batch < max then
  local wait = linger()
  if wait > 0 then
    local age = now - tonumber(redis.call('HGET', P .. 'mark:' .. batch[1], 'enqueued_ms') or '0')
    if age >= 0 and age < wait then return { 'ok', now, wait - age } end
  end
end

if #batch > 0 then redis.call('HDEL', P .. 'echo_digests', unpack(batch)) end
local reply = { 'ok', now, 0 }
for _, cid in ipairs(batch) do
  local key = P .. 'mark:' .. cid
  redis.call('HSET', key, 'dequeued_ms', now)
  reply[#reply + 1] = cid
  reply[#reply + 1] = redis.call('HGETALL', key)
end
return reply
