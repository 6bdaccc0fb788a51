-- Remove customers from the schedule after they were marked because their day had come. A customer for which a drain has
-- set a later day meanwhile stays.
-- KEYS: prefix, prefix..'shop'.  ARGV: today (ordinal), then customers
local schedule = KEYS[1] .. 'schedule'
for i = 2, #ARGV do
  local day = redis.call('ZSCORE', schedule, ARGV[i])
  if day and tonumber(day) <= tonumber(ARGV[1]) then redis.call('ZREM', schedule, ARGV[i]) end
end
