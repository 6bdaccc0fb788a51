-- Settle a batch of customers: execute what was decided on each. A customer is refused if its mark has changed
-- meanwhile; all are refused if the lease was lost or another version is live. A refused customer stays in its state;
-- the results of an answered write are saved all the same.
-- KEYS: prefix, prefix..'shop'.  ARGV: now, token, version, today (ordinal day of the shop), settlements (msgpack, a list
--   of maps; the fields are those of `Settlement` in settlement.py)
-- Reply: for each settlement 'done', 'lease_lost', 'version_changed', 'superseded', 'schedule_passed' or 'shadow_changed'
-- Parts: _time, _queue, _lease, _erased, _customer, _freeze.
local MAX_DRIFT_TAGS = 50 -- tags of a customer whose last change by hand is known
local MAX_LEDGER_IDS = 100 -- of a customer
local DAY_COUNTS_S = 34560000 -- 400 days
local P = KEYS[1]
local now = now_ms(ARGV[1])
local version, today = ARGV[3], tonumber(ARGV[4])
local settlements = cmsgpack.unpack(ARGV[5])
local is_held = owns_lease(P, ARGV[2])
local is_current = (redis.call('GET', P .. 'live_version') or '0') == version

-- nil leaves the field as it is, '' removes it.
local function save(name, cid, blob)
  if blob == nil or blob == false then return end
  if blob == '' then redis.call('HDEL', P .. name, cid) else redis.call('HSET', P .. name, cid, blob) end
end

local function save_state(item)
  save('owned', item.customer, item.owned)
  save('intents', item.customer, item.intents)
  save('holds', item.customer, item.holds)
  save('reverts', item.customer, item.reverts)
  save('snapshots', item.customer, item.snapshot)
  save('echo_digests', item.customer, item.echo_digests)
  save('pending_restores', item.customer, item.pending_restores)
  -- The customer exists again. A tombstone that stays would restore its values again and again.
  redis.call('DEL', P .. 'tombstone:' .. item.customer)
end

local function save_mark_fields(item)
  for field, value in pairs(item.mark_fields or {}) do
    redis.call('HSET', P .. 'mark:' .. item.customer, field, value)
  end
end

-- Count an entry of the ledger on the shop's day, by rule and tag. A decision of shadow mode is no change.
local function count_change(packed)
  local entry = cmsgpack.unpack(packed)
  if entry[9] == false then return end
  local key = P .. 'day_counts:' .. ARGV[4]
  redis.call('HINCRBY', key, entry[1] .. entry[3] .. '|' .. entry[2], 1)
  if redis.call('TTL', key) == -1 then redis.call('EXPIRE', key, DAY_COUNTS_S) end
end

local function append_to_ledger(cid, entries)
  if not entries or #entries == 0 then return end
  local ids = redis.call('HGET', P .. 'ledger_by_customer', cid)
  local list = {}
  for id in string.gmatch(ids or '', '[^,]+') do list[#list + 1] = id end
  for _, entry in ipairs(entries) do
    list[#list + 1] = redis.call('XADD', P .. 'ledger', '*', 'customer', cid, 'entry', entry)
    count_change(entry)
  end
  while #list > MAX_LEDGER_IDS do table.remove(list, 1) end
  redis.call('HSET', P .. 'ledger_by_customer', cid, table.concat(list, ','))
end

-- A decision of shadow mode is logged once, although it is made again every night.
local function log_shadow_decision(item)
  if item.shadow_digest and redis.call('HGET', P .. 'shadow_digests', item.customer) ~= item.shadow_digest then
    append_to_ledger(item.customer, item.shadow_entries)
  end
  save('shadow_digests', item.customer, item.shadow_digest or '')
end

-- Manual changes of tags: a stream for the shop, and the last time of each tag for the customer. The times are those of
-- stream ids, because they are compared with the times of the ledger.
local function record_drift(item)
  if not item.drift or #item.drift == 0 then return end
  local packed = redis.call('HGET', P .. 'drift_by_customer', item.customer)
  local last, tags = packed and cmsgpack.unpack(packed) or {}, {}
  for _, change in ipairs(item.drift) do
    local id = redis.call('XADD', P .. 'drift', 'MAXLEN', '~', 100000, '*', 'customer', item.customer, 'tag', change)
    local ms = tonumber(string.match(id, '^%d+'))
    last[string.sub(change, 2)] = string.sub(change, 1, 1) == '+' and ms or -ms
  end
  for tag in pairs(last) do tags[#tags + 1] = tag end
  table.sort(tags, function(a, b) return math.abs(last[a]) > math.abs(last[b]) end)
  for i = MAX_DRIFT_TAGS + 1, #tags do last[tags[i]] = nil end
  redis.call('HSET', P .. 'drift_by_customer', item.customer, cmsgpack.pack(last))
end

local function add_dead_letter(item, letter)
  local open = redis.call('HGET', P .. 'dead_letters', item.customer)
  local letters = open and cjson.decode(open) or {}
  local known = letters[letter.cause]
  letters[letter.cause] = { count = (known and known.count or 0) + 1, first = known and known.first or now,
    last = now, text = letter.text, transient = letter.transient and true or false }
  redis.call('HSET', P .. 'dead_letters', item.customer, cjson.encode(letters))
end

-- A success closes the open letters, except one that the same settlement raises: a tag that is suppressed today.
local function close_dead_letters(cid, cause)
  local open = redis.call('HGET', P .. 'dead_letters', cid)
  if not open then return end
  local known = cause and cjson.decode(open)[cause]
  if known then redis.call('HSET', P .. 'dead_letters', cid, cjson.encode({ [cause] = known }))
  else redis.call('HDEL', P .. 'dead_letters', cid) end
end

local function count_tags(key, item)
  if item.added and item.added > 0 then redis.call('HINCRBY', key, 'added', item.added) end
  if item.removed and item.removed > 0 then redis.call('HINCRBY', key, 'removed', item.removed) end
end

local function complete_in_runs(cid, runs, field, item)
  for run in string.gmatch(runs or '', '[^,]+') do
    local key = P .. 'run:' .. run
    if redis.call('SREM', key .. ':remaining', cid) == 1 then
      redis.call('HINCRBY', key, field, 1)
      count_tags(key, item)
    end
  end
end

local function remove_entry(cid, mark)
  remove_from_state(P, cid, mark.lane, mark.state)
  redis.call('DEL', P .. 'mark:' .. cid)
end

local function requeue(cid, due_ms)
  local generation = redis.call('INCR', P .. 'generation_seq')
  redis.call('HSET', P .. 'mark:' .. cid, 'generation', generation, 'position', generation, 'enqueued_ms', now,
    'lane', 'bulk', 'updated_ms', '0', 'last_delivery', '', 'reasons', 'requeue', 'runs', '', 'state', 'delayed',
    'dequeued_ms', now)
  redis.call('ZADD', P .. 'delayed', due_ms, cid)
end

local ops = {}

-- The customer is right: it leaves the queue.
function ops.complete(item, mark)
  if item.next_change_day and item.next_change_day <= today then return 'schedule_passed' end
  -- The end of shadow mode or of a freeze marks by what was known before this settlement: read the customer again.
  if item.shadow_digest and redis.call('HGET', P .. 'shop', 'shadow') ~= '1' and not is_frozen(P, now) then
    return 'shadow_changed'
  end
  save_state(item)
  if item.settled_restores and redis.call('HGET', P .. 'pending_restores', item.customer) == item.settled_restores then
    redis.call('HDEL', P .. 'pending_restores', item.customer)
  end
  if item.next_change_day then redis.call('ZADD', P .. 'schedule', item.next_change_day, item.customer)
  else redis.call('ZREM', P .. 'schedule', item.customer) end
  record_drift(item)
  append_to_ledger(item.customer, item.ledger_entries)
  log_shadow_decision(item)
  close_dead_letters(item.customer, item.dead_letter and item.dead_letter.cause)
  if item.dead_letter then add_dead_letter(item, item.dead_letter) end
  complete_in_runs(item.customer, mark.runs, 'done', item)
  remove_entry(item.customer, mark)
  if item.recheck_ms then requeue(item.customer, item.recheck_ms) end
  return 'done'
end

-- Tags must be written: the plan waits for its permit.
function ops.plan(item, mark)
  save_state(item)
  record_drift(item)
  append_to_ledger(item.customer, item.ledger_entries)
  save_mark_fields(item)
  remove_from_state(P, item.customer, mark.lane, mark.state)
  redis.call('ZADD', P .. 'planned:' .. mark.lane, mark.position, item.customer)
  redis.call('HDEL', P .. 'mark:' .. item.customer, 'write_token')
  redis.call('HSET', P .. 'mark:' .. item.customer, 'state', 'planned', 'plan', item.plan)
  return 'done'
end

-- A retry: the customer is delayed until `due_ms`. Its echo digests are deleted.
function ops.delay(item, mark)
  redis.call('HDEL', P .. 'echo_digests', item.customer)
  save('reverts', item.customer, item.reverts)
  remove_from_state(P, item.customer, mark.lane, mark.state)
  save_mark_fields(item)
  move_to_delayed(P, item.customer, item.due_ms)
  return 'done'
end

-- The plan is not written: the record is read again after a cooldown.
function ops.requeue(item, mark)
  redis.call('HDEL', P .. 'echo_digests', item.customer)
  remove_from_state(P, item.customer, mark.lane, mark.state)
  move_to_ready(P, item.customer, mark.lane, mark.position, tonumber(mark.dequeued_ms), now)
  return 'done'
end

function ops.dead_letter(item, mark)
  redis.call('HDEL', P .. 'echo_digests', item.customer)
  save('reverts', item.customer, item.reverts)
  add_dead_letter(item, item.dead_letter)
  complete_in_runs(item.customer, mark.runs, 'failed', item)
  remove_entry(item.customer, mark)
  return 'done'
end

-- Haravan has deleted the customer; two reads have confirmed it. Its ledger has values of the record and goes. Ownership
-- and holds stay for 30 days, without personal data.
function ops.delete(item, mark)
  local owned = redis.call('HGET', P .. 'owned', item.customer)
  local holds = redis.call('HGET', P .. 'holds', item.customer)
  if owned or holds then
    local both = string.len(owned or '') .. ':' .. (owned or '') .. (holds or '')
    redis.call('SET', P .. 'tombstone:' .. item.customer, both, 'EX', 2592000)
  end
  local is_known = redis.call('HEXISTS', P .. 'snapshots', item.customer) == 1
  delete_customer_data(P, item.customer)
  -- one whom the shop never had does not count
  if is_known and redis.call('HEXISTS', P .. 'state', 'customer_count') == 1 then
    redis.call('HINCRBY', P .. 'state', 'customer_count', -1)
  end
  complete_in_runs(item.customer, mark.runs, 'done', item)
  remove_entry(item.customer, mark)
  return 'done'
end

-- An answered write has happened, even if the mark has changed meanwhile: save its ownership and ledger entries, and count
-- it in the runs that still wait for the customer. Nothing is saved if the customer has left the queue since its plan was
-- made: it was erased, or a later read has settled the intent of the write. If it has entered the queue again, its
-- position is a later generation than that of the plan.
local function save_write_results(item)
  local position, runs = unpack(redis.call('HMGET', P .. 'mark:' .. item.customer, 'position', 'runs'))
  if not position or tonumber(position) > item.generation then return end
  for run in string.gmatch(runs or '', '[^,]+') do
    local key = P .. 'run:' .. run
    if redis.call('SISMEMBER', key .. ':remaining', item.customer) == 1 then count_tags(key, item) end
  end
  save('owned', item.customer, item.owned)
  save('intents', item.customer, item.intents)
  save('snapshots', item.customer, item.snapshot) -- otherwise our own change would look like a manual one
  record_drift(item)
  append_to_ledger(item.customer, item.ledger_entries)
end

local FIELDS = { 'generation', 'lane', 'state', 'runs', 'position', 'dequeued_ms' }
local function settle(item)
  if not is_current then return 'version_changed' end
  local mark = {}
  for i, value in ipairs(redis.call('HMGET', P .. 'mark:' .. item.customer, unpack(FIELDS))) do mark[FIELDS[i]] = value end
  if mark.generation ~= tostring(item.generation) then return 'superseded' end
  return ops[item.op](item, mark)
end

local reply = {}
for i, item in ipairs(settlements) do
  reply[i] = is_held and settle(item) or 'lease_lost'
  if is_held and item.is_answered and reply[i] ~= 'done' then save_write_results(item) end
  if is_held then
    -- last, because a settlement that raises an error leaves its customer unsettled, hence a suspect
    redis.call('HDEL', P .. 'unsettled', item.customer)
    redis.call('HDEL', P .. 'suspects', item.customer)
  end
end
return reply
