-- Take up to `most` ready customers, live first, oldest first. Removes nothing: a crash afterwards changes nothing.
-- KEYS: 1 prefix.  ARGV: now, token, most, linger_ms
-- Answer: {'lost'} or {'ok', now, wait_ms, then for each: customer, its mark's fields as a flat list}
-- Needs place.lua, held.lua.
local P = KEYS[1]
local now = clock(ARGV[1])
local most, linger = tonumber(ARGV[3]), tonumber(ARGV[4])
if not holds(P, ARGV[2]) then return { 'lost' } end

for _, cid in ipairs(redis.call('ZRANGEBYSCORE', P .. 'later', '-inf', now, 'LIMIT', 0, 4 * most)) do
  local key = P .. 'mark:' .. cid
  local old = redis.call('HMGET', key, 'lane', 'first_n')
  redis.call('ZREM', P .. 'later', cid)
  if old[1] then
    redis.call('ZADD', P .. old[1], old[2], cid)
    redis.call('HSET', key, 'place', 'ready')
  end
end

-- A tenth is for bulk, however much is live: else a replay would not move while a flood of webhooks lasts.
local taken = redis.call('ZRANGE', P .. 'live', 0, most - 1)
local bulk = redis.call('ZRANGE', P .. 'bulk', 0, most - 1)
local room = most - math.min(#bulk, math.floor(most / 10))
while #taken > room do table.remove(taken) end
for i = 1, math.min(#bulk, most - #taken) do taken[#taken + 1] = bulk[i] end

-- While calls are scarce, let a trickle gather so that it is fetched together.
if #taken > 0 and #taken < most and linger > 0 then
  local first = tonumber(redis.call('HGET', P .. 'mark:' .. taken[1], 'first') or '0')
  if now >= first and now - first < linger then return { 'ok', now, linger - (now - first) } end
end

if #taken > 0 then redis.call('HDEL', P .. 'read', unpack(taken)) end

local answer = { 'ok', now, 0 }
for _, cid in ipairs(taken) do
  local key = P .. 'mark:' .. cid
  redis.call('HSET', key, 'taken', now)
  answer[#answer + 1] = cid
  answer[#answer + 1] = redis.call('HGETALL', key)
end
return answer
