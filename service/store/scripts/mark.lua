-- Record deliveries and mark customers, before the 200. One call for the events of one shop.
-- KEYS: 1 the shop's prefix.  ARGV: now, lane, retention_s, count, then for each event:
--   customer, state digest, updated_ms, identity, note, cause, record
-- Answer: {wake, number of the ring, now, then for each event: code, repeat, delivery id}
-- Needs place.lua.
local P = KEYS[1]
local now = clock(ARGV[1])
local lane, retention_s, count = ARGV[2], ARGV[3], tonumber(ARGV[4])
local day = math.floor(now / 86400000)
local marked = false

-- A list of texts in one; the newest last. What came again moves to the end, and the oldest go.
local function append(list, item, most)
  if item == '' or list == item then return list or '' end
  if not list or list == '' then return item end
  local items = {}
  for each in string.gmatch(list, '[^,]+') do
    if each ~= item then items[#items + 1] = each end
  end
  items[#items + 1] = item
  while #items > most do table.remove(items, 1) end
  return table.concat(items, ',')
end

-- What a hash has for the customers of the events: one call for all of them, because each costs about a microsecond.
local function of_customers(hash, asks)
  local names, found = {}, {}
  for i = 1, count do
    local at = 4 + (i - 1) * 7
    if ARGV[at + 1] ~= '' and asks(at) then names[#names + 1] = ARGV[at + 1] end
  end
  if #names == 0 then return found end
  for i, value in ipairs(redis.call('HMGET', P .. hash, unpack(names))) do found[names[i]] = value end
  return found
end

local told = of_customers('told', function() return true end)
local read = of_customers('read', function(at) return ARGV[at + 2] ~= '' and ARGV[at + 5] == '' end)

-- The newest moment that was ever told of a customer, by echoes too: a list that shows an older state lags.
local function newest(cid, updated)
  if told[cid] and tonumber(told[cid]) > tonumber(updated) then return told[cid] end
  return updated
end

-- Which deliveries came within three days; from now on these have, too.
local function seen_before()
  local names, seen = {}, {}
  for i = 1, count do
    local identity = ARGV[4 + (i - 1) * 7 + 4]
    if identity ~= '' then names[#names + 1] = identity end
  end
  if #names == 0 then return seen end
  for back = 0, 2 do
    for i, there in ipairs(redis.call('SMISMEMBER', P .. 'seen:' .. (day - back), unpack(names))) do
      if there == 1 then seen[names[i]] = 1 end
    end
  end
  redis.call('SADD', P .. 'seen:' .. day, unpack(names))
  redis.call('EXPIRE', P .. 'seen:' .. day, 259200)
  return seen
end

local seen = seen_before()

local last_n = false -- numbers are taken for all events at once; a gap is no harm
local function next_n()
  last_n = last_n and last_n + 1 or redis.call('INCRBY', P .. 'seq', count) - count + 1
  return last_n
end

-- What stays as it was is not written: that is a tenth of the log.
local function put(set, name, value, was)
  if value ~= was then
    set[#set + 1] = name
    set[#set + 1] = value
  end
end

local function mark(cid, updated, delivery, cause)
  local key = P .. 'mark:' .. cid
  local n = next_n()
  local old = redis.call('HMGET', key, 'n', 'first_n', 'lane', 'place', 'taken', 'upd', 'ids', 'cause', 'runs')
  local run = string.match(cause, ':(.+)$') or ''
  updated = newest(cid, updated)
  if not old[1] then
    redis.call('HSET', key, 'n', n, 'first_n', n, 'first', now, 'lane', lane, 'upd', updated,
      'ids', delivery, 'cause', cause, 'runs', run, 'place', 'ready')
    redis.call('ZADD', P .. lane, n, cid)
  else
    local to = lane
    if old[3] == 'live' then to = 'live' end -- a bulk mark never demotes a live one
    if tonumber(old[6] or '0') > tonumber(updated) then updated = old[6] end
    local set = { 'n', n }
    put(set, 'lane', to, old[3])
    put(set, 'upd', updated, old[6])
    put(set, 'ids', append(old[7], delivery, 20), old[7])
    put(set, 'cause', append(old[8], cause, 5), old[8])
    put(set, 'runs', append(old[9], run, 5), old[9])
    redis.call('HSET', key, unpack(set))
    local taken = tonumber(old[5])
    if old[4] ~= 'ready' or old[3] ~= to or rests(taken, now) then
      leave(P, cid, old[3], old[4])
      make_ready(P, cid, to, old[2], taken, now)
    end
  end
  marked = true
end

-- Nothing new was said: every visible field is what the last drain read, or what it expected after its own write.
local function is_echo(cid, digest)
  return digest ~= '' and read[cid] and string.find(read[cid], digest, 1, true) ~= nil
end

local function record(cid, code, again, blob)
  local id = redis.call('XADD', P .. 'deliveries', '*', 'c', cid, 'o', code, 'r', again, 'b', blob)
  if cid ~= '' then
    local of = P .. 'of:' .. cid
    if redis.call('RPUSH', of, id) > 64 then redis.call('LTRIM', of, -50, -1) end
    redis.call('EXPIRE', of, retention_s)
  end
  return id
end

local answer = { 0, 0, now }
for i = 1, count do
  local at = 4 + (i - 1) * 7
  local cid, digest, updated = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local identity, note, cause, blob = ARGV[at + 4], ARGV[at + 5], ARGV[at + 6], ARGV[at + 7]
  local code, again, delivery = note, 0, ''
  if code == '' then code = is_echo(cid, digest) and 'echo' or 'marked' end
  if identity ~= '' then
    again = seen[identity] or 0
    seen[identity] = 1
    delivery = record(cid, code, again, blob)
  end
  if code == 'marked' then mark(cid, updated, delivery, cause) end
  if code == 'ignored:uninstalled' then redis.call('HSETNX', P .. 'state', 'uninstalled', now) end
  if code == 'echo' then
    told[cid] = newest(cid, updated)
    redis.call('HSET', P .. 'told', cid, told[cid])
  end
  answer[#answer + 1] = code
  answer[#answer + 1] = again
  answer[#answer + 1] = delivery
end

if marked then
  local org = string.match(P, '{(.-)}')
  redis.call('ZADD', 'tagger:due', 'NX', now, org)
  redis.call('ZADD', 'tagger:due', 'LT', now, org)
  if redis.call('EXISTS', P .. 'lock') == 0 and not redis.call('HGET', P .. 'state', 'paused') then
    local coming = redis.call('GET', P .. 'wake')
    if not coming or (coming == 'd' and lane == 'live') then -- a wake-up for later is too late for a live one
      redis.call('SET', P .. 'wake', '1', 'PX', 5000)
      answer[1] = 1
      answer[2] = redis.call('INCR', P .. 'rings') -- a job's id is never used again
    end
  end
end
return answer
