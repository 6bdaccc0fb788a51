-- Acquire one API call from the rate limiter. A write is permitted only if everything behind its decision still holds;
-- otherwise its customer becomes ready and is read again.
-- KEYS: prefix, prefix..'shop'.  ARGV: now, token, lane, kind ('read'|'write'), then for a write: customer, generation,
--   version, decided_ms, intents (msgpack), tags to remove, customers with tags of ours (for the removal guard; below 0:
--   a publish, a claim or the schedule explains the removal); ARGV[12], ARGV[13]: leak, reserve
-- Reply: {'granted', permit, now} or {'wait', ms} or {'refused', reason}
-- Parts: _time, _queue, _lease, _rate_limiter, _freeze, _removal_guard.
local MAX_PLAN_AGE_MS = 30000
local P = KEYS[1]
local now = now_ms(ARGV[1])
local lane, kind, cid = ARGV[3], ARGV[4], ARGV[5]

if not owns_lease(P, ARGV[2]) then return { 'refused', 'lease_lost' } end
local state = redis.call('HMGET', P .. 'state', 'paused', 'removals_paused', kind .. '_open_until')
local open_until = tonumber(state[3] or '0')
if open_until > now then return { 'wait', open_until - now } end

-- Why the plan must not be written. nil if it is current.
local function plan_refusal(mark)
  if mark[1] ~= ARGV[6] or mark[2] ~= 'planned' then return 'superseded' end
  if (redis.call('GET', P .. 'live_version') or '0') ~= ARGV[7] then return 'version_changed' end
  if redis.call('HGET', P .. 'shop', 'shadow') == '1' then return 'shadow_mode' end -- enabled since the decision
  if is_frozen(P, now) then return 'frozen' end -- begun since the decision
  local age = now - tonumber(ARGV[8])
  if age > MAX_PLAN_AGE_MS or age < 0 then return 'plan_expired' end -- below 0: the clock was set back
  -- Another drain began to write this plan and did not finish. Its call may still arrive.
  if mark[7] and mark[7] ~= ARGV[2] then return 'write_in_doubt' end
  return nil
end

local expected = false
if kind == 'write' then
  if state[1] then return { 'refused', 'paused' } end
  local mark = redis.call('HMGET', P .. 'mark:' .. cid, 'generation', 'state', 'lane', 'position', 'dequeued_ms',
    'expected_digest', 'write_token')
  expected = mark[6]
  local reason = plan_refusal(mark)
  if reason then
    if mark[2] == 'planned' then
      remove_from_state(P, cid, mark[3], 'planned')
      move_to_ready(P, cid, mark[3], mark[4], tonumber(mark[5]), now)
    end
    return { 'refused', reason }
  end
end

local removals, owners, slot = tonumber(ARGV[10] or '0'), tonumber(ARGV[11] or '0'), math.floor(now / 300000)
if removals > 0 and (state[2] or removal_guard_trips(P, now, slot, removals, owners)) then
  return { 'refused', 'removals_paused' }
end

local grant = rate_limit_acquire(P, now, lane, 12)
if grant[1] == 0 then return { 'wait', grant[3] } end
if kind == 'write' then
  if removals > 0 and owners >= 0 then count_unexplained_removals(P, slot, removals) end
  if ARGV[9] ~= '' then redis.call('HSET', P .. 'intents', cid, ARGV[9]) end
  -- Before this point, an event with the expected record is not an echo: a person did what the plan is about to do.
  -- From here on, an event with the fetched record is not an echo: a person reverted this write.
  if expected then redis.call('HSET', P .. 'echo_digests', cid, expected) end
  redis.call('HSET', P .. 'mark:' .. cid, 'write_token', ARGV[2])
end
return { 'granted', grant[2], now }
