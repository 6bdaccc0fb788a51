-- Dequeue up to `max` ready customers: live first, oldest first. Nothing is removed from the queue, so a crash after
-- the call changes nothing.
-- KEYS: prefix, prefix..'shop'.  ARGV: now, token, max, linger_ms, leak (calls a second)
-- Reply: {'lease_lost'} or {'ok', now, wait_ms, then for each: customer, the fields of its mark as a flat list}
-- Parts: _time, _queue, _lease, _rate_limiter.
local P = KEYS[1]
local now = now_ms(ARGV[1])
local max = tonumber(ARGV[3])
if not owns_lease(P, ARGV[2]) then return { 'lease_lost' } end

-- Customers that an earlier drain dequeued and did not settle: it died, lost its lease, or failed. One of their records
-- may be the cause, so each of them is a suspect, with the number of drains that ended so.
local function suspect_unsettled()
  local unsettled = redis.call('HGETALL', P .. 'unsettled')
  for i = 1, #unsettled, 2 do
    if unsettled[i + 1] ~= ARGV[2] and redis.call('EXISTS', P .. 'mark:' .. unsettled[i]) == 1 then
      redis.call('HINCRBY', P .. 'suspects', unsettled[i], 1)
    end
  end
  redis.call('DEL', P .. 'unsettled')
end

-- Dequeue suspects apart from the others, in turn with batches of them: the cause stops nobody but itself. Those with the
-- fewest failed drains come first: by seven after one, so that fifty cost seven calls, and alone after more.
local SUSPECTS_TOGETHER = 7
local function separate_suspects(batch)
  if redis.call('EXISTS', P .. 'suspects') == 0 or #batch == 0 then return batch, {} end
  local failures, others, least = redis.call('HMGET', P .. 'suspects', unpack(batch)), {}, nil
  for i, cid in ipairs(batch) do
    local count = tonumber(failures[i] or '0')
    failures[i] = count
    if count == 0 then others[#others + 1] = cid
    elseif not least or count < least then least = count end
  end
  if not least then return batch, {} end
  local is_turn = #others == 0 or redis.call('HGET', P .. 'state', 'suspect_is_next') == '1'
  redis.call('HSET', P .. 'state', 'suspect_is_next', is_turn and '0' or '1')
  if not is_turn then return others, {} end
  local together, failed_drains = {}, {}
  for i, cid in ipairs(batch) do
    if failures[i] == least and #together < (least == 1 and SUSPECTS_TOGETHER or 1) then
      together[#together + 1] = cid
      failed_drains[cid] = least
    end
  end
  return together, failed_drains
end

suspect_unsettled()

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

local failed_drains
batch, failed_drains = separate_suspects(batch)
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
  redis.call('HSET', P .. 'unsettled', cid, ARGV[2])
  local mark = redis.call('HGETALL', key)
  mark[#mark + 1] = 'failed_drains'
  mark[#mark + 1] = tostring(failed_drains[cid] or 0)
  reply[#reply + 1] = cid
  reply[#reply + 1] = mark
end
return reply
