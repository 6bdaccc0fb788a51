-- Make staged keys the keys of a shop, or of the service. Does nothing if there is data that they would overwrite.
-- A shop is added to the list of shops. It is due, a reconcile of all its customers is requested, and a pending job marks
-- those that were restored.
-- KEYS: prefix, prefix..'shop'.
-- ARGV: prefix of the staged keys, 'shop' or '' for the service, field and JSON of the pending job, field of the job that
-- erases a removed shop, a new id of the data, number of names that must not exist, those names, the names of all keys
-- Reply: 1 if it was done
-- Parts: _time, _queue.
local P, staged, guards = KEYS[1], KEYS[1] .. ARGV[1], tonumber(ARGV[7])
for i = 8, 7 + guards do
  if redis.call('EXISTS', P .. ARGV[i]) == 1 then return 0 end
end

-- A shop that was added again, or seeded from the environment, exists without data. Its credentials are at least as new as
-- those of the backup and stay, with the data key that sealed them.
local CREDENTIALS = { token = true, secret = true, seeded = true }
local function merge(from, to)
  local fields = redis.call('HGETALL', from)
  for i = 1, #fields, 2 do
    local known = CREDENTIALS[fields[i]] and redis.call('HGET', to, fields[i])
    if not known or known == '' then redis.call('HSET', to, fields[i], fields[i + 1]) end
  end
end

for i = 8 + guards, #ARGV do
  local name = ARGV[i]
  local from, to = staged .. name, P .. name
  if redis.call('EXISTS', from) == 1 then
    if name == 'shop' or name == 'state' or name == 'data_keys' then
      merge(from, to)
    elseif name == 'run_seq' or name == 'endpoint_seq' then
      local number = math.max(tonumber(redis.call('GET', from)), tonumber(redis.call('GET', to) or 0))
      redis.call('SET', to, string.format('%d', number))
    else
      redis.call('RENAME', from, to)
      redis.call('PERSIST', to)
      if name == 'approval_request' then redis.call('EXPIRE', to, 30 * 86400) end
    end
    redis.call('DEL', from)
  end
end

if ARGV[2] == 'shop' then
  redis.call('HSET', KEYS[2], 'data_id', ARGV[6])
  redis.call('HDEL', partition_key(P, 'pending'), ARGV[5])
  redis.call('HSET', partition_key(P, 'pending'), ARGV[3], ARGV[4])
  redis.call('SADD', P .. 'reconcile_requests', 1)
  redis.call('SADD', partition_key(P, 'shops'), org_of(P))
  redis.call('SADD', partition_key(P, 'event_shops'), org_of(P))
  redis.call('ZADD', partition_key(P, 'due_shops'), now_ms('0'), org_of(P))
  redis.call('INCR', partition_key(P, 'shops_revision'))
end
return 1
