-- The removal guard. It trips if the unexplained removals of an hour would exceed max(50, 1 % of the owners); then it pauses
-- removals. `slot` is the present time in units of five minutes. Owners below 0: the removals are explained.
local function removal_guard_trips(P, now, slot, count, owners)
  if owners < 0 then return false end
  local sum = count
  for back = 0, 11 do sum = sum + tonumber(redis.call('HGET', P .. 'unexplained_removals', slot - back) or '0') end
  if sum <= math.max(50, owners / 100) then return false end
  redis.call('HSET', P .. 'state', 'removals_paused', 'removal_guard', 'removals_paused_since', now)
  return true
end

local function count_unexplained_removals(P, slot, count)
  redis.call('HINCRBY', P .. 'unexplained_removals', slot, count)
  redis.call('EXPIRE', P .. 'unexplained_removals', 86400)
end
