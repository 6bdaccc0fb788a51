-- The backlog of a shop. One call for each shop instead of a dozen: the metrics ask for every shop.
-- KEYS: prefix, prefix..'shop'.
-- Reply: {now, ready:live, ready:bulk, planned:live, planned:bulk, delayed, dead letters, customers with tags of ours,
--   deliveries since midnight UTC, why the shop is paused, why its removals are paused ('': they are not),
--   enqueued_ms of the oldest live mark (0: none), level, at and size of the rate limiter}
-- Parts: _time.
local P = KEYS[1]
local now = now_ms('0')
local reply = { now }
for _, name in ipairs({ 'ready:live', 'ready:bulk', 'planned:live', 'planned:bulk', 'delayed' }) do
  reply[#reply + 1] = redis.call('ZCARD', P .. name)
end
reply[#reply + 1] = redis.call('HLEN', P .. 'dead_letters')
reply[#reply + 1] = redis.call('HLEN', P .. 'owned')
local today = string.format('%.0f', math.floor(now / 86400000))
reply[#reply + 1] = tonumber(redis.call('HGET', P .. 'delivery_counts', today) or '0')
for _, value in ipairs(redis.call('HMGET', P .. 'state', 'paused', 'removals_paused')) do
  reply[#reply + 1] = value or ''
end
local oldest = 0
for _, name in ipairs({ 'ready:live', 'planned:live' }) do
  local first = redis.call('ZRANGE', P .. name, 0, 0)[1]
  local enqueued = first and tonumber(redis.call('HGET', P .. 'mark:' .. first, 'enqueued_ms') or '0') or 0
  if enqueued > 0 and (oldest == 0 or enqueued < oldest) then oldest = enqueued end
end
reply[#reply + 1] = oldest
for _, value in ipairs(redis.call('HMGET', P .. 'rate_limit', 'level', 'at', 'size')) do
  reply[#reply + 1] = value or ''
end
return reply
