-- The time in ms: `given` by a simulation or a test, or the server's own where that is 0.
local function now_ms(given)
  local now = tonumber(given)
  if now > 0 then return now end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
