-- Replace snapshots that are still as they were read: a drain may have written newer ones meanwhile.
-- KEYS: prefix, prefix..'shop'.  ARGV: for each customer: id, snapshot as it was read, new snapshot
local P = KEYS[1]
for i = 1, #ARGV, 3 do
  if redis.call('HGET', P .. 'snapshots', ARGV[i]) == ARGV[i + 1] then
    redis.call('HSET', P .. 'snapshots', ARGV[i], ARGV[i + 2])
  end
end
