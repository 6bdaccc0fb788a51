-- Forget what is too old in a page of the customers' indexes; the streams are trimmed by themselves.
-- KEYS: 1 prefix.  ARGV: the ms before which nothing is kept, customers a page
-- Each call goes on where the last one stopped, so that no call is long, however many customers there are.
local P, min, most = KEYS[1], tonumber(ARGV[1]), ARGV[2]

local function ledger_left(ids)
  local list = {}
  for id in string.gmatch(ids, '[^,]+') do
    if tonumber(string.match(id, '^%d+')) >= min then list[#list + 1] = id end
  end
  return #list > 0 and table.concat(list, ',') or nil
end

local function drift_left(packed)
  local left, some = {}, false
  for tag, at in pairs(cmsgpack.unpack(packed)) do
    if math.abs(at) >= min then left[tag], some = at, true end
  end
  return some and cmsgpack.pack(left) or nil
end

local function turn_page(name, left_of)
  local reply = redis.call('HSCAN', P .. name, redis.call('HGET', P .. 'forgotten', name) or '0', 'COUNT', most)
  for i = 1, #reply[2], 2 do
    local cid, kept = reply[2][i], reply[2][i + 1]
    local left = left_of(kept)
    if not left then redis.call('HDEL', P .. name, cid)
    elseif #left < #kept then redis.call('HSET', P .. name, cid, left) end
  end
  redis.call('HSET', P .. 'forgotten', name, reply[1])
end

turn_page('ledger_of', ledger_left)
turn_page('drift_of', drift_left)
