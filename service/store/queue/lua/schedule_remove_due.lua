-- Remove customers from the schedule that were marked because their day has come, unless a drain has meanwhile set a
-- later day.
-- KEYS: prefix, prefix..'shop'.  ARGV: today (ordinal), then customers
local schedule = KEYS[1] .. 'schedule'
for i = 2, #ARGV do
  local day = redis.call('ZSCORE', schedule, ARGV[i])
  if day and tonumber(day) <= tonumber(ARGV[1]) then redis.call('ZREM', schedule, ARGV[i]) end
end
