-- May this call be started? Grants one API call from the bucket; a write only while everything stands that it was
-- decided on. The refused customer of a write is made ready, to be read again.
-- KEYS: 1 prefix.  ARGV: now, token, lane, kind ('read'|'write'), then for a write: customer, mark, version,
--   decided_ms, intents (msgpack), tags to remove, customers with tags of ours (for the brake; below 0: a publish, a
--   claim or the calendar explains it); ARGV[12]… the bucket's own
-- Answer: {'granted', the bucket's permit, now} or {'wait', ms} or {'refused', why}
-- Needs place.lua, held.lua, bucket.lua.
local PLAN_MS = 30000
local P = KEYS[1]
local now = clock(ARGV[1])
local lane, kind, cid = ARGV[3], ARGV[4], ARGV[5]

if not holds(P, ARGV[2]) then return { 'refused', 'lost' } end
local state = redis.call('HMGET', P .. 'state', 'paused', 'removals_paused', kind .. '_open_until')
local open_until = tonumber(state[3] or '0')
if open_until > now then return { 'wait', open_until - now } end

-- Removals are paused, or there are more in an hour than max(50, 1 %) of what is ours, and nothing explains them?
local function brakes(slot, count, ours)
  if state[2] then return true end
  if ours < 0 then return false end
  local sum = count
  for back = 0, 11 do sum = sum + tonumber(redis.call('HGET', P .. 'removals', slot - back) or '0') end
  if sum <= math.max(50, ours / 100) then return false end
  redis.call('HSET', P .. 'state', 'removals_paused', 'brake', 'removals_paused_since', now)
  return true
end

local function stands(mark)
  if mark[1] ~= ARGV[6] or mark[2] ~= 'planned' then return 'moved' end
  if (redis.call('GET', P .. 'live_version') or '0') ~= ARGV[7] then return 'version' end
  if redis.call('HGET', P .. 'shop', 'shadow') == '1' then return 'shadow' end -- begun since this was decided
  local age = now - tonumber(ARGV[8])
  if age > PLAN_MS or age < 0 then return 'stale' end -- below 0: the clock was set back, so nobody knows
  -- Another turn began this plan and did not end it: its call may still be out, and must not be forgotten with ours.
  if mark[7] and mark[7] ~= ARGV[2] then return 'begun' end
  return nil
end

local expected = false
if kind == 'write' then
  if state[1] then return { 'refused', 'paused' } end
  local mark = redis.call('HMGET', P .. 'mark:' .. cid, 'n', 'place', 'lane', 'first_n', 'taken', 'expected', 'begun')
  expected = mark[6]
  local why = stands(mark)
  if why then
    if mark[2] == 'planned' then
      leave(P, cid, mark[3], 'planned')
      make_ready(P, cid, mark[3], mark[4], tonumber(mark[5]), now)
    end
    return { 'refused', why }
  end
end

local removals, ours, slot = tonumber(ARGV[10] or '0'), tonumber(ARGV[11] or '0'), math.floor(now / 300000)
if removals > 0 and brakes(slot, removals, ours) then return { 'refused', 'removals' } end

local grant = bucket_acquire(P, now, lane, 12)
if grant[1] == 0 then return { 'wait', grant[3] } end
if kind == 'write' then
  if removals > 0 and ours >= 0 then
    redis.call('HINCRBY', P .. 'removals', slot, removals)
    redis.call('EXPIRE', P .. 'removals', 86400)
  end
  if ARGV[9] ~= '' then redis.call('HSET', P .. 'intents', cid, ARGV[9]) end
  -- From now on the record as it was fetched is news: somebody undid this very write. Until now the expected one was
  -- news: somebody did by hand what we meant to do.
  if expected then redis.call('HSET', P .. 'read', cid, expected) end
  redis.call('HSET', P .. 'mark:' .. cid, 'begun', ARGV[2])
end
return { 'granted', grant[2], now }
