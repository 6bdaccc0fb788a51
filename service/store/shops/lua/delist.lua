-- Remove a shop from the list of shops. With a job: destroy its data keys, note the erasure for the rewrite of the
-- append-only file, and store the job, which deletes its data.
-- KEYS: prefix, prefix..'shop'.  ARGV: field of the job ('': none), job (JSON), ms of the erasure
-- Reply: 1 if the shop was in the list
-- Parts: _queue, _memory.
local P = KEYS[1]
allow_all_writes(P)
local removed = redis.call('SREM', partition_key(P, 'shops'), org_of(P))
redis.call('ZREM', partition_key(P, 'due_shops'), org_of(P))
redis.call('DEL', KEYS[2])
redis.call('INCR', partition_key(P, 'shops_revision'))
if ARGV[1] ~= '' then
  redis.call('DEL', P .. 'data_keys')
  redis.call('SET', partition_key(P, 'erased_ms'), ARGV[3])
  redis.call('HSET', partition_key(P, 'pending'), ARGV[1], ARGV[2])
end
return removed
