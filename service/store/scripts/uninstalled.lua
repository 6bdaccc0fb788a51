-- Keep what is known of an uninstalled app, unless a new token or a person has ended that meanwhile.
-- KEYS: 1 prefix.  ARGV: when it was told, first refused, sure, next probe (ms)
-- Answer: whether it was kept
local state = KEYS[1] .. 'state'
if redis.call('HGET', state, 'uninstalled') ~= ARGV[1] then return 0 end
redis.call('HSET', state, 'uninstalled_refused', ARGV[2], 'uninstalled_sure', ARGV[3], 'uninstalled_probe', ARGV[4])
return 1
