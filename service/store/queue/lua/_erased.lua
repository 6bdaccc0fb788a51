-- Customers that were erased within the last day. What reads many customers stores something of them seconds or minutes later:
-- it must not bring an erased one back.
local ERASED_S = 86400

local function note_erased(P, cid)
  redis.call('SET', P .. 'erased:' .. cid, 1, 'EX', ERASED_S)
end

local function was_erased(P, cid)
  return redis.call('EXISTS', P .. 'erased:' .. cid) == 1
end
