-- Delete keys of a removed shop, and let other keys expire. Does nothing if the shop was added again.
-- KEYS: prefix, prefix..'shop'.  ARGV: retention_s, number of keys that expire, those keys, then the keys to delete
local expiring = tonumber(ARGV[2])
if redis.call('EXISTS', KEYS[1] .. 'shop') == 1 then return end
for i = 3, 2 + expiring do
  if redis.call('TTL', ARGV[i]) == -1 then redis.call('EXPIRE', ARGV[i], ARGV[1]) end
end
for i = 3 + expiring, #ARGV do redis.call('UNLINK', ARGV[i]) end
