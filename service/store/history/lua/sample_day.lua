-- Sample the backlog of a shop into the record of a day, and move the API calls since the last sample there. Several
-- workers sample a shop: the backlog is a maximum, and each call is moved once.
-- KEYS: prefix, prefix..'shop'.  ARGV: now, day (ordinal, of the shop), retention_s
-- Parts: _time.
local P = KEYS[1]
local now, key = now_ms(ARGV[1]), P .. 'day_counts:' .. ARGV[2]

local function raise(field, value)
  if value > tonumber(redis.call('HGET', key, field) or '0') then redis.call('HSET', key, field, value) end
end

for _, lane in ipairs({ 'live', 'bulk' }) do
  local calls = tonumber(redis.call('HGET', P .. 'rate_limit', 'unsampled_' .. lane) or '0')
  if calls > 0 then
    redis.call('HINCRBY', P .. 'rate_limit', 'unsampled_' .. lane, -calls)
    redis.call('HINCRBY', key, 'calls:' .. lane, calls)
  end
end
local waiting, oldest = 0, now
for _, name in ipairs({ 'ready:live', 'planned:live', 'ready:bulk', 'planned:bulk' }) do
  waiting = waiting + redis.call('ZCARD', P .. name)
end
for _, name in ipairs({ 'ready:live', 'planned:live' }) do
  local first = redis.call('ZRANGE', P .. name, 0, 0)[1]
  local enqueued = first and tonumber(redis.call('HGET', P .. 'mark:' .. first, 'enqueued_ms') or '0') or 0
  if enqueued > 0 then oldest = math.min(oldest, enqueued) end
end
raise('backlog', waiting)
raise('oldest_s', math.floor((now - oldest) / 1000))
if redis.call('TTL', key) == -1 then redis.call('EXPIRE', key, ARGV[3]) end
