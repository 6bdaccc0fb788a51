-- Is the lock still ours? Every script of a turn asks, and so renews it.
local LOCK_MS = 15000

local function holds(P, token)
  if redis.call('GET', P .. 'lock') ~= token then return false end
  redis.call('PEXPIRE', P .. 'lock', LOCK_MS)
  return true
end
