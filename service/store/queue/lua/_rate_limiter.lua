-- The rate limiter of one shop: our estimate of Haravan's leaky bucket.
--
-- P is the prefix of the shop's keys, times are milliseconds, `leak` is calls a second. The hash `rate_limit`:
--   level, at                        the estimate without the calls in flight, and the moment it was true
--   dispatched                       calls granted (a number that only grows)
--   calls_without_header             calls spent whose response had no header (a number that only grows)
--   header_dispatch                  the latest call whose header set the level
--   observed_at                      when a response last arrived
--   blocked_until                    the end of a 429's Retry-After
--   live_until, live_at              a live call waits until then; when a live call last asked
--   bulk_credit, bulk_until          calls of its tenth that bulk has not used; a bulk call with credit waits until then
--   shared_until                     another app was noticed, or nothing is known: until then live leaves room for its bursts
--   size                             learned from the header
--   baseline_used, baseline_dispatch, baseline_at
--                                    an earlier header: its reading, its call, its moment
--   unsampled_live, unsampled_bulk   calls granted that are in no day's record yet (history/lua/sample_day.lua)
-- The sorted set `in_flight`: permit -> when the call counts as lost. A permit is
-- "dispatched:calls_without_header" at the moment it was granted.

local RATE_LIMIT_FIELDS = {
  'level', 'at', 'calls_without_header', 'dispatched', 'header_dispatch', 'observed_at', 'blocked_until', 'live_until',
  'live_at', 'bulk_credit', 'bulk_until', 'shared_until', 'size', 'baseline_used', 'baseline_dispatch', 'baseline_at',
}
local RATE_LIMIT_SIZE = 80  -- until a header says otherwise
local IN_FLIGHT_MS = 15000  -- a call takes 8 s at most; after this time its worker must have died
local MAX_BLOCK_MS = 60000
local SILENCE_MS = 5000  -- without a response for this long, the level is unknown, so probe with a few calls
local PROBES = 4  -- calls in flight that are younger than PROBE_MS
local PROBE_MS = 2000  -- half the leak, so that a dead process does not stop the others
local FIRST_PROBES = 1  -- after SHARED_MS without a response: a full bucket then costs one 429 instead of four
local LIVE_SEEN_MS = 5000  -- bulk gets its tenth if live asked within this time
local NOTE_MS = 250  -- how long `live_until` and `bulk_until` outlast the wait that they announce
local BULK_SHARE = 0.1
local SHARED_MS = 120000
local WATCH_MS = 30000  -- the time over which the usage of other apps is measured
local STRAY = 8  -- tolerance in calls: the leak comes in steps, and responses overtake each other

local function rate_limit_clamp(value, low, high)
  return math.max(low, math.min(high, value))
end

-- The level and the size now. Writes nothing.
local function rate_limit_used(P, now, leak)
  local stored = redis.call('HMGET', P .. 'rate_limit', 'level', 'at', 'size')
  local level, at, size = tonumber(stored[1]) or 0, tonumber(stored[2]) or 0, tonumber(stored[3]) or 0
  return math.max(0, level - leak * math.max(0, now - at) / 1000), size > 0 and size or RATE_LIMIT_SIZE
end

-- The state now: leaked, and with the calls of dead workers counted as spent.
local function rate_limit_read(P, now, leak)
  local values = redis.call('HMGET', P .. 'rate_limit', unpack(RATE_LIMIT_FIELDS))
  local b = {}
  for i, field in ipairs(RATE_LIMIT_FIELDS) do
    b[field] = tonumber(values[i]) or 0
  end
  if b.size == 0 then
    b.size = RATE_LIMIT_SIZE
  end
  local elapsed = math.max(0, now - b.at) / 1000  -- 0 after a step back of the clock
  b.at = now
  b.level = math.max(0, b.level - leak * elapsed)
  b.bulk_credit = math.min(2 + leak * BULK_SHARE, b.bulk_credit + leak * BULK_SHARE * elapsed)
  b.blocked_until = math.min(b.blocked_until, now + MAX_BLOCK_MS)
  b.live_until = math.min(b.live_until, now + MAX_BLOCK_MS)
  b.bulk_until = math.min(b.bulk_until, now + MAX_BLOCK_MS)
  b.shared_until = math.min(b.shared_until, now + SHARED_MS)
  b.observed_at, b.live_at = math.min(b.observed_at, now), math.min(b.live_at, now)
  local in_flight = P .. 'in_flight'
  local dead = redis.call('ZREMRANGEBYSCORE', in_flight, '-inf', now)
    + redis.call('ZREMRANGEBYSCORE', in_flight, '(' .. (now + IN_FLIGHT_MS), '+inf')
  b.level = b.level + dead
  b.calls_without_header = b.calls_without_header + dead
  b.in_flight = redis.call('ZCARD', in_flight)
  b.young = redis.call('ZCOUNT', in_flight, '(' .. (now + IN_FLIGHT_MS - PROBE_MS), '+inf')
  return b
end

local function rate_limit_write(P, b)
  local pairs_ = {}
  for _, field in ipairs(RATE_LIMIT_FIELDS) do
    pairs_[#pairs_ + 1] = field
    pairs_[#pairs_ + 1] = tostring(b[field])
  end
  redis.call('HSET', P .. 'rate_limit', unpack(pairs_))
end

-- The levels up to which live and bulk may fill the bucket. Bulk fills one half: the whole leak is used while the bucket
-- is not empty, and the other half is left for live and for bursts of other apps. Live stays below the brim by one step
-- of the leak, and by a burst of 15 more while another app was noticed.
local function rate_limit_limits(b, now, reserve)
  local shared = b.shared_until > now
  local live = math.floor(b.size * (shared and 0.75 or 0.95)) - reserve
  return math.max(1, live), math.max(1, math.floor(b.size * 0.5) - reserve)
end

-- How long this call must wait, and why. nil if it may go.
local function rate_limit_wait(b, now, live, leak, reserve, owed)
  if b.blocked_until > now then
    return b.blocked_until - now, 'blocked'
  end
  if not live and not owed and b.live_until > now then
    return rate_limit_clamp(b.live_until - now, 10, 250), 'live first'
  end
  local silence = now - b.observed_at
  if silence > SILENCE_MS and b.young >= (silence > SHARED_MS and FIRST_PROBES or PROBES) then
    return 50, 'probing'
  end
  local live_limit, bulk_limit = rate_limit_limits(b, now, reserve)
  local limit = (live or owed) and live_limit or bulk_limit
  if live and b.bulk_until > now then
    limit = limit - 1
  end
  local need = b.level + b.in_flight + 1 - limit
  if need > 0 then
    return rate_limit_clamp(math.ceil(need / leak * 1000), 10, 250), 'full'
  end
  return nil, 'granted'
end

-- Grant one call, or reply how long to wait. ARGV[first] is the leak a second, ARGV[first + 1] the reserve for other apps.
-- Returns {granted (1 or 0), permit ('' if not granted), wait_ms, reason}.
local function rate_limit_acquire(P, now, lane, first)
  local live, leak, reserve = lane == 'live', tonumber(ARGV[first]), tonumber(ARGV[first + 1])
  local b = rate_limit_read(P, now, leak)
  if now - b.observed_at > SHARED_MS then
    b.shared_until = now + SHARED_MS  -- nothing is known of other apps
  end
  local owed = not live and b.bulk_credit >= 1 and now - b.live_at < LIVE_SEEN_MS
  if live then
    b.live_at = now
  end
  local wait, reason = rate_limit_wait(b, now, live, leak, reserve, owed)
  local permit = ''
  if not wait then
    b.dispatched = b.dispatched + 1
    permit = string.format('%.0f:%.0f', b.dispatched, b.calls_without_header)
    redis.call('ZADD', P .. 'in_flight', now + IN_FLIGHT_MS, permit)
    redis.call('HINCRBY', P .. 'rate_limit', live and 'unsampled_live' or 'unsampled_bulk', 1)
    if not live then
      b.bulk_credit = math.max(0, b.bulk_credit - 1)
      b.bulk_until = 0
    end
  elseif live then
    b.live_until = now + wait + NOTE_MS
  elseif owed then
    b.bulk_until = now + wait + NOTE_MS
  end
  rate_limit_write(P, b)
  return {wait and 0 or 1, permit, wait or 0, reason}
end

-- Detect other apps. Between two headers the level rose by our own calls and fell by the leak; other apps caused the rest.
-- An empty bucket does not leak, so a low reading only sets the next baseline.
local function rate_limit_watch(b, now, leak, dispatch, used)
  local watched = now - b.baseline_at
  local known = used > 2 and b.baseline_at > 0 and watched >= 0 and watched <= 2 * WATCH_MS
  local others = used - b.baseline_used - (dispatch - b.baseline_dispatch) + leak * watched / 1000
  local noticed = known and others > STRAY + leak / 2
  if noticed then
    b.shared_until = now + SHARED_MS
  end
  if noticed or not known or watched > WATCH_MS then
    b.baseline_used, b.baseline_dispatch, b.baseline_at = used, dispatch, now
  end
end

-- Report a call. status: the response's, 0 = no response (counts as spent), -1 = not sent. used and size: the header's,
-- -1 = no header. A permit may be reported twice, or after it expired.
local function rate_limit_report(P, now, leak, permit, status, used, size, retry_ms)
  local b = rate_limit_read(P, now, leak)
  local dispatch, without_header_then = string.match(permit, '^(%d+):(%d+)$')
  dispatch, without_header_then = tonumber(dispatch) or 0, tonumber(without_header_then) or 0
  local out = redis.call('ZREM', P .. 'in_flight', permit)
  b.in_flight = b.in_flight - out
  if size >= 10 and size <= 10000 then
    b.size = size
  end
  if status > 0 then
    b.observed_at = now
  end
  -- Responses overtake each other, and an old reading would hide a burst of another app. A permit from before the data was
  -- emptied has a higher number, and taking it would ignore the next headers.
  local newer = used >= 0 and dispatch > b.header_dispatch and dispatch <= b.dispatched
  -- The header counts every answered call that was sent before this one. Adding them again would make a burst wait for
  -- itself. Calls without a header may be missing in it.
  local reading = used + 1 + math.max(0, b.calls_without_header - without_header_then)  -- + 1: the header may be rounded down
  if newer then
    b.header_dispatch = dispatch
  end
  if status == 429 then
    b.level = newer and reading or b.size
    b.blocked_until = math.max(b.blocked_until, now + rate_limit_clamp(retry_ms, 0, MAX_BLOCK_MS))
    b.shared_until = now + SHARED_MS
  elseif status >= 0 then
    b.level = b.level + out
    if used < 0 then
      b.calls_without_header = b.calls_without_header + out
    end
    if newer then
      rate_limit_watch(b, now, leak, dispatch, used)
      b.level = reading
    end
  end
  b.level = math.min(b.size, b.level)
  rate_limit_write(P, b)
end
