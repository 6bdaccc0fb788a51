-- Where a marked customer stands: shared by every script that moves one. Exactly one of:
-- ready (lane `live` or `bulk`, by first mark), planned (`plan:live`, `plan:bulk`), later (by due ms).
local REST_MS = 2000 -- a customer is taken at most this often

local function clock(given)
  local now = tonumber(given)
  if now > 0 then return now end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function leave(P, cid, lane, place)
  if place == 'planned' then
    redis.call('ZREM', P .. 'plan:' .. lane, cid)
  elseif place == 'later' then
    redis.call('ZREM', P .. 'later', cid)
  elseif place == 'ready' then
    redis.call('ZREM', P .. lane, cid)
  end
end

local function rests(taken, now)
  return taken and taken <= now and now - taken < REST_MS
end

-- Make a customer ready, or have it rest first if it was taken a moment ago. Voids its plan.
local function make_ready(P, cid, lane, first_n, taken, now)
  local key = P .. 'mark:' .. cid
  redis.call('HDEL', key, 'plan', 'begun')
  if rests(taken, now) then
    redis.call('ZADD', P .. 'later', taken + REST_MS, cid)
    redis.call('HSET', key, 'place', 'later')
  else
    redis.call('ZADD', P .. lane, first_n, cid)
    redis.call('HSET', key, 'place', 'ready')
  end
end

local function wait_until(P, cid, due)
  local key = P .. 'mark:' .. cid
  redis.call('HDEL', key, 'plan', 'begun')
  redis.call('ZADD', P .. 'later', due, cid)
  redis.call('HSET', key, 'place', 'later')
end
