-- Erase what is stored of a customer, its mark included. A drain that works on the customer finds its mark gone, or a later
-- one, and saves nothing. The entries of the streams that are not in the customer's index are deleted by the caller.
-- KEYS: prefix, prefix..'shop'.  ARGV: customer
-- Reply: how many ledger entries were deleted
-- Parts: _time, _queue, _erased, _customer.
local P, cid = KEYS[1], ARGV[1]
local lane, state, runs = unpack(redis.call('HMGET', P .. 'mark:' .. cid, 'lane', 'state', 'runs'))
if lane then remove_from_state(P, cid, lane, state) end
for run in string.gmatch(runs or '', '[^,]+') do
  local key = P .. 'run:' .. run
  if redis.call('SREM', key .. ':remaining', cid) == 1 then redis.call('HINCRBY', key, 'done', 1) end
end
redis.call('DEL', P .. 'mark:' .. cid, P .. 'tombstone:' .. cid, P .. 'deliveries_by_customer:' .. cid)
return delete_customer_data(P, cid)
