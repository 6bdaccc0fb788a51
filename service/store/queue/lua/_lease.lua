-- The shop's lease. Every script of a drain checks that it still owns the lease, and renews it.
local LEASE_MS = 15000

local function owns_lease(P, token)
  if redis.call('GET', P .. 'lease') ~= token then return false end
  redis.call('PEXPIRE', P .. 'lease', LEASE_MS)
  return true
end
