-- Erase keys of a shop that is gone, and let others live for a while; nothing of a shop that was added again.
-- KEYS: 1 prefix.  ARGV: kept_s, how many are kept, those, then those that go
local kept = tonumber(ARGV[2])
if redis.call('EXISTS', KEYS[1] .. 'shop') == 1 then return end
for i = 3, 2 + kept do
  if redis.call('TTL', ARGV[i]) == -1 then redis.call('EXPIRE', ARGV[i], ARGV[1]) end
end
for i = 3 + kept, #ARGV do redis.call('UNLINK', ARGV[i]) end
