-- Record deliveries and mark customers, before the 200. One call for the events of one shop: what it asks and writes
-- for all of them at once costs a fraction of what it would for each.
-- KEYS: 1 the shop's prefix.  ARGV: now, lane, retention_s, events (msgpack), each of them a list:
--   customer, state digest, updated_ms, identity, note, cause, record
-- Answer: {wake, number of the ring, now, id of the record, and comma-joined of all events: codes, repeats (0|1)}.
--   A delivery's id is that of the record, a dot, and its place in it from 0.
-- Needs place.lua.
local P = KEYS[1]
local now = clock(ARGV[1])
local lane, retention_s, events = ARGV[2], ARGV[3], cmsgpack.unpack(ARGV[4])
local day = math.floor(now / 86400000)
local marked = false
local MAX_DELIVERIES = 50 -- ids kept for a customer

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

-- What a hash has for the customers of the events.
local function of_customers(hash, asks)
  local names, found = {}, {}
  for _, event in ipairs(events) do
    if event[1] ~= '' and asks(event) then names[#names + 1] = event[1] end
  end
  if #names == 0 then return found end
  for i, value in ipairs(redis.call('HMGET', P .. hash, unpack(names))) do found[names[i]] = value end
  return found
end

local function everybody() return true end

local told, tells = of_customers('told', everybody), {}
local read = of_customers('read', function(event) return event[2] ~= '' and event[5] == '' end)

-- The newest moment that was ever told of a customer, by echoes too: a list that shows an older state lags.
local function newest(cid, updated)
  if told[cid] and tonumber(told[cid]) > tonumber(updated) then return told[cid] end
  return updated
end

local function tell(cid, updated)
  local moment = newest(cid, updated)
  if moment ~= told[cid] and moment ~= '0' then told[cid], tells[cid] = moment, moment end
  return moment
end

-- Which deliveries came within three days; from now on these have, too.
local function seen_before()
  local names, seen = {}, {}
  for _, event in ipairs(events) do
    if event[4] ~= '' then names[#names + 1] = event[4] end
  end
  if #names == 0 then return seen end
  for back = 0, 2 do
    for i, there in ipairs(redis.call('SMISMEMBER', P .. 'seen:' .. (day - back), unpack(names))) do
      if there == 1 then seen[names[i]] = '1' end
    end
  end
  redis.call('SADD', P .. 'seen:' .. day, unpack(names))
  redis.call('EXPIRE', P .. 'seen:' .. day, 259200)
  return seen
end

local seen = seen_before()

local last_n = false -- numbers are taken for all events at once; a gap is no harm
local function next_n()
  last_n = last_n and last_n + 1 or redis.call('INCRBY', P .. 'seq', #events) - #events + 1
  return last_n
end

-- What stays as it was is not written: that is a tenth of the log.
local function put(set, name, value, was)
  if value ~= was then
    set[#set + 1] = name
    set[#set + 1] = value
  end
end

local joins = {} -- the lane: numbers and customers
local function mark(cid, updated, delivery, cause)
  local key = P .. 'mark:' .. cid
  local n = next_n()
  local old = redis.call('HMGET', key, 'first_n', 'lane', 'place', 'taken', 'upd', 'delivery', 'cause', 'runs')
  local run = string.match(cause, ':(.+)$') or ''
  if tonumber(old[5] or '0') > tonumber(updated) then updated = old[5] end
  updated = tell(cid, updated)
  if not old[1] then
    redis.call('HSET', key, 'n', n, 'first_n', n, 'first', now, 'lane', lane, 'upd', updated,
      'delivery', delivery, 'cause', cause, 'runs', run, 'place', 'ready')
    joins[#joins + 1] = n
    joins[#joins + 1] = cid
    return
  end
  local to = lane
  if old[2] == 'live' then to = 'live' end -- a bulk mark never demotes a live one
  local set = { 'n', n }
  put(set, 'lane', to, old[2])
  put(set, 'upd', updated, old[5])
  if delivery ~= '' then put(set, 'delivery', delivery, old[6]) end
  put(set, 'cause', append(old[7], cause, 5), old[7])
  put(set, 'runs', append(old[8], run, 5), old[8])
  redis.call('HSET', key, unpack(set))
  local taken = tonumber(old[4])
  if old[3] ~= 'ready' or old[2] ~= to or rests(taken, now) then
    leave(P, cid, old[2], old[3])
    make_ready(P, cid, to, old[1], taken, now)
  end
end

-- Nothing new was said: every visible field is what the last drain read, or what it expected after its own write.
local function is_echo(cid, digest)
  return digest ~= '' and read[cid] and string.find(read[cid], digest, 1, true) ~= nil
end

-- Append an id to the customer's last deliveries, oldest first.
local function note_delivery(cid, delivery)
  local of = P .. 'of:' .. cid
  if redis.call('RPUSH', of, delivery) > MAX_DELIVERIES + 14 then redis.call('LTRIM', of, -MAX_DELIVERIES, -1) end
  redis.call('EXPIRE', of, retention_s)
end

-- The record of all of them is what was sent, and what it was found to be.
local codes, repeats, recorded = {}, {}, ''
for i, event in ipairs(events) do
  local identity, note = event[4], event[5]
  codes[i] = note ~= '' and note or is_echo(event[1], event[2]) and 'echo' or 'marked'
  repeats[i] = seen[identity] or '0'
  if identity ~= '' then seen[identity] = '1' end
end
local said, again = table.concat(codes, ','), table.concat(repeats, ',')
if next(seen) then
  recorded = redis.call('XADD', P .. 'deliveries', '*', 'e', ARGV[4], 'o', said, 'r', again)
end

for i, event in ipairs(events) do
  local cid, updated, cause, code = event[1], event[3], event[6], codes[i]
  local delivery = event[4] ~= '' and recorded .. '.' .. i - 1 or ''
  if code == 'marked' then
    marked = true
    mark(cid, updated, delivery, cause)
  elseif code == 'echo' then
    tell(cid, updated)
  elseif code == 'ignored:uninstalled' then
    redis.call('HSETNX', P .. 'state', 'uninstalled', now)
  end
  if delivery ~= '' and cid ~= '' then note_delivery(cid, delivery) end
end

local function write(hash, values)
  local flat = {}
  for cid, value in pairs(values) do
    flat[#flat + 1] = cid
    flat[#flat + 1] = value
  end
  if #flat > 0 then redis.call('HSET', P .. hash, unpack(flat)) end
end
if #joins > 0 then redis.call('ZADD', P .. lane, unpack(joins)) end
write('told', tells)

local wake, ring = 0, 0
if marked then
  redis.call('ZADD', 'tagger:due', 'LT', now, string.match(P, '{(.-)}'))
  local coming = redis.call('GET', P .. 'wake')
  if not coming or (coming == 'd' and lane == 'live') then -- a wake-up for later is too late for a live one
    if redis.call('EXISTS', P .. 'lock') == 0 and not redis.call('HGET', P .. 'state', 'paused') then
      redis.call('SET', P .. 'wake', '1', 'PX', 5000)
      wake = 1
      ring = redis.call('INCR', P .. 'rings') -- a job's id is never used again
    end
  end
end
return { wake, ring, now, recorded, said, again }
