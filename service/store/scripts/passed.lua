-- These customers were marked because their day has come: they leave the calendar, unless a clear has set them a
-- day that is still to come.
-- KEYS: 1 prefix.  ARGV: today (ordinal), then customers
local calendar = KEYS[1] .. 'calendar'
for i = 2, #ARGV do
  local day = redis.call('ZSCORE', calendar, ARGV[i])
  if day and tonumber(day) <= tonumber(ARGV[1]) then redis.call('ZREM', calendar, ARGV[i]) end
end
