-- Pause a shop. An earlier pause keeps its reason and its time.
-- KEYS: prefix, prefix..'shop'.  ARGV: reason, ms, by, the notice for endpoints (JSON)
-- Parts: _memory.
local P = KEYS[1]
allow_all_writes(P)
if redis.call('HSETNX', P .. 'state', 'paused', ARGV[1]) == 1 then
  redis.call('HSET', P .. 'state', 'paused_since', ARGV[2], 'paused_by', ARGV[3])
  redis.call('XADD', P .. 'notices', 'MAXLEN', '~', 1000, '*', 'type', 'shop.paused', 'data', ARGV[4])
end
