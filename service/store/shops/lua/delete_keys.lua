-- Delete keys of a shop that was removed, and let others expire. Does nothing if the shop was added again.
-- KEYS: prefix, prefix..'shop'.  ARGV: retention_s, number of keys that expire, those keys, then the keys to delete
local kept = tonumber(ARGV[2])
if redis.call('EXISTS', KEYS[1] .. 'shop') == 1 then return end
for i = 3, 2 + kept do
  if redis.call('TTL', ARGV[i]) == -1 then redis.call('EXPIRE', ARGV[i], ARGV[1]) end
end
for i = 3 + kept, #ARGV do redis.call('UNLINK', ARGV[i]) end
