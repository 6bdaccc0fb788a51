-- Trim the next page of the indexes by customer: remove entries that are older than the retention. The caller trims the
-- streams. Each call continues where the last one stopped, so no call is long, however many customers there are.
-- KEYS: prefix, prefix..'shop'.  ARGV: the ms before which entries are removed, customers of a page
local P, min_ms, page = KEYS[1], tonumber(ARGV[1]), ARGV[2]

local function trim_ledger(ids)
  local list = {}
  for id in string.gmatch(ids, '[^,]+') do
    if tonumber(string.match(id, '^%d+')) >= min_ms then list[#list + 1] = id end
  end
  return #list > 0 and table.concat(list, ',') or nil
end

local function trim_drift(packed)
  local left, any = {}, false
  for tag, at in pairs(cmsgpack.unpack(packed)) do
    if math.abs(at) >= min_ms then left[tag], any = at, true end
  end
  return any and cmsgpack.pack(left) or nil
end

local function trim_page(name, trim)
  local reply = redis.call('HSCAN', P .. name, redis.call('HGET', P .. 'retention_cursors', name) or '0', 'COUNT', page)
  for i = 1, #reply[2], 2 do
    local cid, before = reply[2][i], reply[2][i + 1]
    local after = trim(before)
    if not after then redis.call('HDEL', P .. name, cid)
    elseif #after < #before then redis.call('HSET', P .. name, cid, after) end
  end
  redis.call('HSET', P .. 'retention_cursors', name, reply[1])
end

trim_page('ledger_by_customer', trim_ledger)
trim_page('drift_by_customer', trim_drift)
