-- The state of a marked customer. A customer is in exactly one state:
--   ready    `ready:live` or `ready:bulk`, ordered by position (the generation of its first mark)
--   planned  `planned:live` or `planned:bulk`, ordered by position
--   delayed  `delayed`, ordered by the ms at which it is due
-- P is the prefix of the shop's keys, `tagger:{p17}:1000001:`.
local COOLDOWN_MS = 2000 -- minimum time between two dequeues of a customer

local function org_of(P)
  return string.match(P, '([^:]+):$')
end

-- A key of the shop's partition. It is in the same slot as the keys of the shop.
local function partition_key(P, name)
  return string.match(P, '^tagger:{p%d+}:') .. name
end

local function remove_from_state(P, cid, lane, state)
  if state == 'planned' then
    redis.call('ZREM', P .. 'planned:' .. lane, cid)
  elseif state == 'delayed' then
    redis.call('ZREM', P .. 'delayed', cid)
  elseif state == 'ready' then
    redis.call('ZREM', P .. 'ready:' .. lane, cid)
  end
end

local function in_cooldown(dequeued_ms, now)
  return dequeued_ms and dequeued_ms <= now and now - dequeued_ms < COOLDOWN_MS
end

-- Deletes the plan and delays the customer until `due_ms`.
local function move_to_delayed(P, cid, due_ms)
  local key = P .. 'mark:' .. cid
  redis.call('HDEL', key, 'plan', 'write_token')
  redis.call('ZADD', P .. 'delayed', due_ms, cid)
  redis.call('HSET', key, 'state', 'delayed')
end

-- Deletes the plan and makes the customer ready, or delays it to the end of its cooldown.
local function move_to_ready(P, cid, lane, position, dequeued_ms, now)
  if in_cooldown(dequeued_ms, now) then
    move_to_delayed(P, cid, dequeued_ms + COOLDOWN_MS)
    return
  end
  local key = P .. 'mark:' .. cid
  redis.call('HDEL', key, 'plan', 'write_token')
  redis.call('ZADD', P .. 'ready:' .. lane, position, cid)
  redis.call('HSET', key, 'state', 'ready')
end
