-- Record deliveries and mark their customers, before the 200. One call for the events of one shop: reading and writing
-- for all of them at once costs a fraction of what it would cost for each.
-- KEYS: prefix, prefix..'shop'.  ARGV: now, lane, retention_s, events (msgpack), quotas: customers that wait, deliveries
--   that are kept (0: no limit). Each event is a list: customer, state digest, updated_ms, identity, note, cause, record
-- Reply: {wake(0|1), number of the wake-up, now, id of the record, and comma-joined of all events: outcomes,
--   repeats (0|1)}, or {'over_quota', 'customers'|'deliveries'} if nothing was written. The record has the deliveries that
--   are no repeats; a delivery's id is the id of the record, a dot, and its index in it from 0.
-- Parts: _time, _queue, _deliveries, _memory.
local MAX_DELIVERIES = 50 -- ids kept for a customer
local MAX_REASONS = 5
local DELIVERY_ID_DAYS = 3
local P = KEYS[1]
local now = now_ms(ARGV[1])
local lane, retention_s, events = ARGV[2], ARGV[3], cmsgpack.unpack(ARGV[4])
local max_customers, max_deliveries = tonumber(ARGV[5]), tonumber(ARGV[6])
local day = math.floor(now / DAY_MS)

-- The quotas of a shop: one tenant must not fill the memory of all. Bulk marks do not count, because a scan only names
-- customers that exist. If the kept deliveries exceed their quota, the oldest days are dropped before anything is refused.
if max_customers > 0 then
  local waiting = redis.call('ZCARD', P .. 'ready:live') + redis.call('ZCARD', P .. 'planned:live')
    + redis.call('ZCARD', P .. 'delayed')
  if waiting >= max_customers then return { 'over_quota', 'customers' } end
end
if max_deliveries > 0 and kept_deliveries(P) >= max_deliveries then
  if trim_days(P, day * DAY_MS, max_deliveries - 1) >= max_deliveries then return { 'over_quota', 'deliveries' } end
end

-- Append an item to a comma-joined list. A repeated item moves to the end, and the oldest items are dropped.
local function append(list, item)
  if item == '' or list == item then return list or '' end
  if not list or list == '' then return item end
  local items = {}
  for each in string.gmatch(list, '[^,]+') do
    if each ~= item then items[#items + 1] = each end
  end
  items[#items + 1] = item
  while #items > MAX_REASONS do table.remove(items, 1) end
  return table.concat(items, ',')
end

-- The values that a hash has for the customers of the events.
local function load(hash, wants)
  local names, values = {}, {}
  for _, event in ipairs(events) do
    if event[1] ~= '' and wants(event) then names[#names + 1] = event[1] end
  end
  if #names == 0 then return values end
  for i, value in ipairs(redis.call('HMGET', P .. hash, unpack(names))) do values[names[i]] = value end
  return values
end

if events[1][6] == 'requeue' then allow_all_writes(P) end -- a write went out: the customer must be read again

local latest, changed = load('latest_updated_at', function() return true end), {}
local digests = load('echo_digests', function(event) return event[2] ~= '' and event[5] == '' end)

-- The newest `updated_at` of a customer, also from echoes: a list with an older one is stale.
local function note_updated_at(cid, updated)
  if latest[cid] and tonumber(latest[cid]) > tonumber(updated) then return latest[cid] end
  if updated ~= latest[cid] and updated ~= '0' then latest[cid], changed[cid] = updated, updated end
  return updated
end

-- Find the deliveries that arrived within the last three days, and count each on its first record. Adds the identities of
-- all others for the next calls. Returns for each event whether it is a repeat.
local function find_repeats()
  local names, first_day, repeated, new, counts = {}, {}, {}, {}, {}
  for _, event in ipairs(events) do
    if event[4] ~= '' then names[#names + 1] = event[4] end
  end
  if #names == 0 then return repeated end
  for back = 0, DELIVERY_ID_DAYS - 1 do
    for i, there in ipairs(redis.call('SMISMEMBER', P .. 'delivery_ids:' .. (day - back), unpack(names))) do
      if there == 1 then first_day[names[i]] = day - back end
    end
  end
  for i, event in ipairs(events) do
    local identity = event[4]
    if first_day[identity] then
      repeated[i] = true
      counts[identity] = (counts[identity] or 0) + 1
    elseif identity ~= '' then
      first_day[identity] = day
      new[#new + 1] = identity
    end
  end
  if #new > 0 then
    redis.call('SADD', P .. 'delivery_ids:' .. day, unpack(new))
    redis.call('EXPIRE', P .. 'delivery_ids:' .. day, DELIVERY_ID_DAYS * 86400)
  end
  for identity, count in pairs(counts) do
    local key = P .. 'repeats:' .. first_day[identity]
    redis.call('HINCRBY', key, identity, count)
    if redis.call('TTL', key) == -1 then redis.call('EXPIRE', key, retention_s) end
  end
  return repeated
end

local last_generation = false -- reserved for all events at once; gaps do no harm
local function next_generation()
  last_generation = last_generation and last_generation + 1
    or redis.call('INCRBY', P .. 'generation_seq', #events) - #events + 1
  return last_generation
end

-- Unchanged fields are not written, which saves a tenth of the append-only file.
local function put(set, name, value, before)
  if value ~= before then
    set[#set + 1] = name
    set[#set + 1] = value
  end
end

local joins = {} -- positions and customers that join the lane
local function mark(cid, updated, delivery, cause, is_repeat)
  local key = P .. 'mark:' .. cid
  local old = redis.call('HMGET', key, 'position', 'lane', 'state', 'dequeued_ms', 'updated_ms', 'last_delivery', 'reasons',
    'runs')
  local run = string.match(cause, ':(.+)$') or ''
  if tonumber(old[5] or '0') > tonumber(updated) then updated = old[5] end
  updated = note_updated_at(cid, updated)
  -- A repeat says nothing new of a customer whose read is still to come. Without this a flood of repeats fills the disk.
  local reasons = append(old[7], cause)
  if is_repeat and old[3] == 'ready' and not old[4] and updated == old[5] and reasons == old[7]
    and (old[2] == 'live' or old[2] == lane) then return end
  local generation = next_generation()
  if not old[1] then
    redis.call('HSET', key, 'generation', generation, 'position', generation, 'enqueued_ms', now, 'lane', lane,
      'updated_ms', updated, 'last_delivery', delivery, 'reasons', cause, 'runs', run, 'state', 'ready')
    joins[#joins + 1] = generation
    joins[#joins + 1] = cid
    return
  end
  local to = lane
  if old[2] == 'live' then to = 'live' end -- a bulk mark never demotes a live one
  local set = { 'generation', generation }
  put(set, 'lane', to, old[2])
  put(set, 'updated_ms', updated, old[5])
  if delivery ~= '' then put(set, 'last_delivery', delivery, old[6]) end
  put(set, 'reasons', reasons, old[7])
  put(set, 'runs', append(old[8], run), old[8])
  redis.call('HSET', key, unpack(set))
  local dequeued_ms = tonumber(old[4])
  if old[3] ~= 'ready' or old[2] ~= to or in_cooldown(dequeued_ms, now) then
    remove_from_state(P, cid, old[2], old[3])
    move_to_ready(P, cid, to, old[1], dequeued_ms, now)
  end
end

-- An echo: every visible field has the value that the last drain read, or that it expects after its own write.
local function is_echo(cid, digest)
  return digest ~= '' and digests[cid] and string.find(digests[cid], digest, 1, true) ~= nil
end

-- Append an id to the customer's last deliveries, oldest first.
local function index_delivery(cid, delivery)
  local key = P .. 'deliveries_by_customer:' .. cid
  if redis.call('RPUSH', key, delivery) > MAX_DELIVERIES + 14 then redis.call('LTRIM', key, -MAX_DELIVERIES, -1) end
  redis.call('EXPIRE', key, retention_s)
end

-- One record for all new deliveries: the events as they were sent, and the outcome of each.
local repeated = find_repeats()
local outcomes, repeats, kept, kept_outcomes, index_of, record = {}, {}, {}, {}, {}, ''
for i, event in ipairs(events) do
  outcomes[i] = event[5] ~= '' and event[5] or is_echo(event[1], event[2]) and 'echo' or 'marked'
  repeats[i] = repeated[i] and '1' or '0'
  if event[4] ~= '' and not repeated[i] then
    index_of[i] = #kept
    kept[#kept + 1] = event
    kept_outcomes[#kept] = outcomes[i]
  end
end
if #kept > 0 then
  local packed = #kept == #events and ARGV[4] or cmsgpack.pack(kept)
  record = redis.call('XADD', P .. 'deliveries', '*', 'events', packed, 'outcomes', table.concat(kept_outcomes, ','))
  if max_deliveries > 0 then count_deliveries(P, day, #kept) end
end

local any_marked = false
for i, event in ipairs(events) do
  local cid, updated, cause, outcome = event[1], event[3], event[6], outcomes[i]
  local delivery = index_of[i] and record .. '.' .. index_of[i] or ''
  if outcome == 'marked' then
    any_marked = true
    mark(cid, updated, delivery, cause, repeated[i])
  elseif outcome == 'echo' then
    note_updated_at(cid, updated)
  elseif outcome == 'ignored:uninstalled' then
    redis.call('HSETNX', P .. 'state', 'uninstall_reported_ms', now)
  end
  if delivery ~= '' and cid ~= '' then index_delivery(cid, delivery) end
end

if #joins > 0 then redis.call('ZADD', P .. 'ready:' .. lane, unpack(joins)) end
local flat = {}
for cid, updated in pairs(changed) do
  flat[#flat + 1] = cid
  flat[#flat + 1] = updated
end
if #flat > 0 then redis.call('HSET', P .. 'latest_updated_at', unpack(flat)) end

local wake, number = 0, 0
if any_marked then
  redis.call('ZADD', partition_key(P, 'due_shops'), 'LT', now, org_of(P))
  local pending = redis.call('GET', P .. 'wakeup_pending')
  if not pending or (pending == 'delayed' and lane == 'live') then -- a delayed wake-up is too late for a live mark
    if redis.call('EXISTS', P .. 'lease') == 0 and not redis.call('HGET', P .. 'state', 'paused') then
      redis.call('SET', P .. 'wakeup_pending', 'now', 'PX', 5000)
      wake = 1
      number = redis.call('INCR', P .. 'wakeup_seq') -- a job's id is never used again
    end
  end
end
return { wake, number, now, record, table.concat(outcomes, ','), table.concat(repeats, ',') }
