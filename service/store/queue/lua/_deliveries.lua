-- The number of deliveries that are kept: `delivery_counts` has `total`, and the number of each day.
local DAY_MS = 86400000

local function kept_deliveries(P)
  return tonumber(redis.call('HGET', P .. 'delivery_counts', 'total') or '0')
end

local function count_deliveries(P, day, number)
  redis.call('HINCRBY', P .. 'delivery_counts', 'total', number)
  redis.call('HINCRBY', P .. 'delivery_counts', day, number)
end

-- Drop whole days that ended by `end_ms`, the oldest first, until at most `max` deliveries are kept. Returns how many are.
local function trim_days(P, end_ms, max)
  local key, total, days, number = P .. 'delivery_counts', kept_deliveries(P), {}, {}
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    local day = tonumber(fields[i])
    if day and (day + 1) * DAY_MS <= end_ms then
      days[#days + 1] = day
      number[day] = tonumber(fields[i + 1])
    end
  end
  table.sort(days)
  for _, day in ipairs(days) do
    if total <= max then break end
    redis.call('XTRIM', P .. 'deliveries', 'MINID', string.format('%.0f', (day + 1) * DAY_MS))
    redis.call('HDEL', key, string.format('%.0f', day))
    total = redis.call('HINCRBY', key, 'total', -number[day])
  end
  return total
end
