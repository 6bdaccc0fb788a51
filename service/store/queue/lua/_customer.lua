-- What is stored of a customer besides its mark, its ownership in a tombstone, and the streams.
local CUSTOMER_HASHES = { 'echo_digests', 'latest_updated_at', 'snapshots', 'owned', 'intents', 'holds', 'reverts',
  'exclusions', 'ledger_by_customer', 'drift_by_customer', 'pending_restores', 'dead_letters', 'shadow_digests',
  'unsettled', 'suspects' }

-- Deletes it, with the ledger entries in the customer's index; returns their number. The append-only file has it until its
-- next rewrite, which the time in `erased_ms` asks for.
local function delete_customer_data(P, cid)
  local ids, entries = redis.call('HGET', P .. 'ledger_by_customer', cid), 0
  for id in string.gmatch(ids or '', '[^,]+') do entries = entries + redis.call('XDEL', P .. 'ledger', id) end
  for _, name in ipairs(CUSTOMER_HASHES) do redis.call('HDEL', P .. name, cid) end
  redis.call('ZREM', P .. 'schedule', cid)
  note_erased(P, cid)
  redis.call('SET', partition_key(P, 'erased_ms'), now_ms('0'))
  return entries
end
