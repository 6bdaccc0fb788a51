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

local function append(list, item, most)
  if item == '' then return list or '' end
  if not list or list == '' then return item end
  local items = {}
  for each in string.gmatch(list, '[^,]+') do
    if each ~= item then items[#items + 1] = each end
  end
  items[#items + 1] = item
  while #items > most do table.remove(items, 1) end
  return table.concat(items, ',')
end

-- The newest moment that was ever told of a customer, by echoes too: a list that shows an older state lags.
local function newest(cid, updated)
  local told = redis.call('HGET', P .. 'told', cid)
  if told and tonumber(told) > tonumber(updated) then return told end
  return updated
end

local function mark(cid, updated, delivery, cause)
  local key = P .. 'mark:' .. cid
  local n = redis.call('INCR', P .. 'seq')
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
    updated = string.format('%.0f', math.max(tonumber(updated), tonumber(old[6] or '0')))
    redis.call('HSET', key, 'n', n, 'lane', to, 'upd', updated,
      'ids', append(old[7], delivery, 20), 'cause', append(old[8], cause, 5), 'runs', append(old[9], run, 5))
    leave(P, cid, old[3], old[4])
    make_ready(P, cid, to, old[2], tonumber(old[5]), now)
  end
  marked = true
end

-- Nothing new was said: every visible field is what the last drain read, or what it expected after its own write.
local function is_echo(cid, digest)
  if digest == '' then return false end
  local read = redis.call('HGET', P .. 'read', cid)
  return read and string.find(read, digest, 1, true) ~= nil
end

local function is_repeat(identity)
  local again = 0
  for back = 1, 2 do
    if redis.call('SISMEMBER', P .. 'seen:' .. (day - back), identity) == 1 then again = 1 end
  end
  local today = P .. 'seen:' .. day
  if redis.call('SADD', today, identity) == 0 then again = 1 end
  return again
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
local identities = false
for i = 1, count do
  local at = 4 + (i - 1) * 7
  local cid, digest, updated = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local identity, note, cause, blob = ARGV[at + 4], ARGV[at + 5], ARGV[at + 6], ARGV[at + 7]
  local code, again, delivery = note, 0, ''
  if code == '' then code = is_echo(cid, digest) and 'echo' or 'marked' end
  if identity ~= '' then
    identities = true
    again = is_repeat(identity)
    delivery = record(cid, code, again, blob)
  end
  if code == 'marked' then mark(cid, updated, delivery, cause) end
  if code == 'echo' then redis.call('HSET', P .. 'told', cid, newest(cid, updated)) end
  answer[#answer + 1] = code
  answer[#answer + 1] = again
  answer[#answer + 1] = delivery
end
if identities then redis.call('EXPIRE', P .. 'seen:' .. day, 259200) end

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
