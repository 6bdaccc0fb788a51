-- Carry out what was decided on each customer of a batch. Each refuses if its mark moved meanwhile; all do if the
-- lock or the live version did. A refused customer stays where it is; the facts of an answered write are kept.
-- KEYS: 1 prefix.  ARGV: now, token, version, today (ordinal day of the shop), items (msgpack list of maps)
-- Answer: for each item 'done', 'lost', 'version', 'moved', 'day' or 'shadow'
-- Needs place.lua, held.lua.
local P = KEYS[1]
local now = clock(ARGV[1])
local version, today = ARGV[3], tonumber(ARGV[4])
local items = cmsgpack.unpack(ARGV[5])
local held = holds(P, ARGV[2])
local current = (redis.call('GET', P .. 'live_version') or '0') == version
local MOST_TOUCHED = 50 -- tags of a customer whose last change by hand is known

local function keep(name, cid, blob)
  if blob == nil or blob == false then return end
  if blob == '' then redis.call('HDEL', P .. name, cid) else redis.call('HSET', P .. name, cid, blob) end
end

local function keep_all(item)
  keep('owned', item.cid, item.owned)
  keep('intents', item.cid, item.intents)
  keep('held', item.cid, item.held)
  keep('strikes', item.cid, item.strikes)
  keep('snap', item.cid, item.snap)
  keep('read', item.cid, item.read)
  keep('restores', item.cid, item.restores)
  redis.call('DEL', P .. 'tombstone:' .. item.cid) -- the customer is alive: what it kept would come back again and again
end

local function remember(item)
  for field, value in pairs(item.fields or {}) do redis.call('HSET', P .. 'mark:' .. item.cid, field, value) end
end

local function write_ledger(cid, entries)
  if not entries or #entries == 0 then return end
  local ids = redis.call('HGET', P .. 'ledger_of', cid)
  local list = {}
  for id in string.gmatch(ids or '', '[^,]+') do list[#list + 1] = id end
  for _, blob in ipairs(entries) do
    list[#list + 1] = redis.call('XADD', P .. 'ledger', '*', 'c', cid, 'b', blob)
  end
  while #list > 100 do table.remove(list, 1) end
  redis.call('HSET', P .. 'ledger_of', cid, table.concat(list, ','))
end

-- What shadow mode decides stands in the ledger once: every night decides it again.
local function write_shown(item)
  if item.shadow and redis.call('HGET', P .. 'shown', item.cid) ~= item.shadow then
    write_ledger(item.cid, item.shown)
  end
  keep('shown', item.cid, item.shadow or '')
end

-- What others did to the tags: for the shop in order, and for the customer the last time of each tag. The moments
-- are those of the stream, as the ledger's are: they are compared with each other.
local function note_drift(item)
  if not item.drift or #item.drift == 0 then return end
  local packed = redis.call('HGET', P .. 'drift_of', item.cid)
  local last, known = packed and cmsgpack.unpack(packed) or {}, {}
  for _, touch in ipairs(item.drift) do
    local id = redis.call('XADD', P .. 'drift', 'MAXLEN', '~', 100000, '*', 'c', item.cid, 't', touch)
    local ms = tonumber(string.match(id, '^%d+'))
    last[string.sub(touch, 2)] = string.sub(touch, 1, 1) == '+' and ms or -ms
  end
  for tag in pairs(last) do known[#known + 1] = tag end
  table.sort(known, function(a, b) return math.abs(last[a]) > math.abs(last[b]) end)
  for i = MOST_TOUCHED + 1, #known do last[known[i]] = nil end
  redis.call('HSET', P .. 'drift_of', item.cid, cmsgpack.pack(last))
end

local function bury(item, letter)
  local open = redis.call('HGET', P .. 'dead', item.cid)
  local letters = open and cjson.decode(open) or {}
  local known = letters[letter.cause]
  letters[letter.cause] = { count = (known and known.count or 0) + 1, first = known and known.first or now,
    last = now, text = letter.text, transient = letter.transient and true or false }
  redis.call('HSET', P .. 'dead', item.cid, cjson.encode(letters))
end

-- A success closes what was open, except what it says itself: that a tag is not given any more today.
local function close_letters(cid, cause)
  local open = redis.call('HGET', P .. 'dead', cid)
  if not open then return end
  local known = cause and cjson.decode(open)[cause]
  if known then redis.call('HSET', P .. 'dead', cid, cjson.encode({ [cause] = known }))
  else redis.call('HDEL', P .. 'dead', cid) end
end

local function count(key, item)
  if item.added and item.added > 0 then redis.call('HINCRBY', key, 'added', item.added) end
  if item.removed and item.removed > 0 then redis.call('HINCRBY', key, 'removed', item.removed) end
end

local function end_runs(cid, runs, field, item)
  for run in string.gmatch(runs or '', '[^,]+') do
    local key = P .. 'run:' .. run
    if redis.call('SREM', key .. ':left', cid) == 1 then
      redis.call('HINCRBY', key, field, 1)
      count(key, item)
    end
  end
end

local function unmark(cid, old)
  leave(P, cid, old[2], old[3])
  redis.call('DEL', P .. 'mark:' .. cid)
end

local function remark(cid, due)
  local n = redis.call('INCR', P .. 'seq')
  redis.call('HSET', P .. 'mark:' .. cid, 'n', n, 'first_n', n, 'first', now, 'lane', 'bulk', 'upd', '0',
    'delivery', '', 'cause', 'again', 'runs', '', 'place', 'later', 'taken', now)
  redis.call('ZADD', P .. 'later', due, cid)
end

local ops = {}

function ops.clear(item, old)
  if item.day and item.day <= today then return 'day' end
  -- Whoever ended shadow mode meanwhile marked by what was known before this: the customer must be read again.
  if item.shadow and redis.call('HGET', P .. 'shop', 'shadow') ~= '1' then return 'shadow' end
  keep_all(item)
  if item.restored and redis.call('HGET', P .. 'restores', item.cid) == item.restored then
    redis.call('HDEL', P .. 'restores', item.cid)
  end
  if item.day then redis.call('ZADD', P .. 'calendar', item.day, item.cid)
  else redis.call('ZREM', P .. 'calendar', item.cid) end
  note_drift(item)
  write_ledger(item.cid, item.entries)
  write_shown(item)
  close_letters(item.cid, item.letter and item.letter.cause)
  if item.letter then bury(item, item.letter) end
  end_runs(item.cid, old[4], 'done', item)
  unmark(item.cid, old)
  if item.again then remark(item.cid, item.again) end
  return 'done'
end

function ops.plan(item, old)
  keep_all(item)
  note_drift(item)
  write_ledger(item.cid, item.entries)
  remember(item)
  leave(P, item.cid, old[2], old[3])
  redis.call('ZADD', P .. 'plan:' .. old[2], old[5], item.cid)
  redis.call('HDEL', P .. 'mark:' .. item.cid, 'begun')
  redis.call('HSET', P .. 'mark:' .. item.cid, 'place', 'planned', 'plan', item.plan)
  return 'done'
end

-- A retry: waits until `due`; `fields` are remembered in the mark (tries, gone, lag). What was read is forgotten.
function ops.later(item, old)
  redis.call('HDEL', P .. 'read', item.cid)
  leave(P, item.cid, old[2], old[3])
  remember(item)
  wait_until(P, item.cid, item.due)
  return 'done'
end

-- The record was not what we expected: look again, after a rest.
function ops.ready(item, old)
  redis.call('HDEL', P .. 'read', item.cid)
  keep('strikes', item.cid, item.strikes)
  leave(P, item.cid, old[2], old[3])
  make_ready(P, item.cid, old[2], old[5], tonumber(old[6]), now)
  return 'done'
end

function ops.dead(item, old)
  redis.call('HDEL', P .. 'read', item.cid)
  bury(item, item.letter)
  end_runs(item.cid, old[4], 'failed', item)
  unmark(item.cid, old)
  return 'done'
end

-- A customer that is gone, twice seen: its ledger has values of the record. What we owned and held stays for 30 days, without personal data.
function ops.purge(item, old)
  local kept = redis.call('HGET', P .. 'owned', item.cid)
  local holds_blob = redis.call('HGET', P .. 'held', item.cid)
  if kept or holds_blob then
    local both = string.len(kept or '') .. ':' .. (kept or '') .. (holds_blob or '')
    redis.call('SET', P .. 'tombstone:' .. item.cid, both, 'EX', 2592000)
  end
  local ids = redis.call('HGET', P .. 'ledger_of', item.cid)
  for id in string.gmatch(ids or '', '[^,]+') do redis.call('XDEL', P .. 'ledger', id) end
  for _, name in ipairs({ 'read', 'told', 'snap', 'owned', 'intents', 'held', 'strikes', 'excluded', 'ledger_of',
    'drift_of', 'restores', 'dead', 'shown' }) do
    redis.call('HDEL', P .. name, item.cid)
  end
  redis.call('ZREM', P .. 'calendar', item.cid)
  if redis.call('HEXISTS', P .. 'state', 'customers') == 1 then redis.call('HINCRBY', P .. 'state', 'customers', -1) end
  end_runs(item.cid, old[4], 'done', item)
  unmark(item.cid, old)
  return 'done'
end

-- An answered write has happened whatever became of the mark meanwhile: what is ours by it, the ledger, and what it
-- counts in runs that the customer is still to be looked at for.
local function keep_facts(item)
  for run in string.gmatch(redis.call('HGET', P .. 'mark:' .. item.cid, 'runs') or '', '[^,]+') do
    local key = P .. 'run:' .. run
    if redis.call('SISMEMBER', key .. ':left', item.cid) == 1 then count(key, item) end
  end
  keep('owned', item.cid, item.owned)
  keep('intents', item.cid, item.intents)
  keep('snap', item.cid, item.snap) -- else what we changed would look as if somebody else had
  note_drift(item)
  write_ledger(item.cid, item.entries)
end

local function settle(item)
  if not current then return 'version' end
  local old = redis.call('HMGET', P .. 'mark:' .. item.cid, 'n', 'lane', 'place', 'runs', 'first_n', 'taken')
  if old[1] ~= tostring(item.n) then return 'moved' end
  return ops[item.op](item, old)
end

local answer = {}
for i, item in ipairs(items) do
  answer[i] = held and settle(item) or 'lost'
  if held and item.answered and answer[i] ~= 'done' then keep_facts(item) end
end
return answer
