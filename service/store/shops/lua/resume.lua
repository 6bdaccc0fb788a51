-- End the pause of a shop, and make the shop due at once.
-- KEYS: prefix, prefix..'shop'.  ARGV: ms, then the fields of the state to remove
-- Parts: _queue, _memory.
local P = KEYS[1]
allow_all_writes(P)
redis.call('HDEL', P .. 'state', unpack(ARGV, 2))
redis.call('ZADD', partition_key(P, 'due_shops'), ARGV[1], org_of(P))
