-- Insert the snapshots and scheduled days of customers that a scan found right. A customer that has a snapshot or a mark
-- is skipped, because a drain may have written something newer than the scanned page. An erased customer is skipped, too.
-- KEYS: prefix, prefix..'shop'.  ARGV: for each customer: id, snapshot, day ('' = none)
-- Reply: how many snapshots were inserted
-- Parts: _erased.
local P = KEYS[1]
local inserted = 0
for i = 1, #ARGV, 3 do
  local cid = ARGV[i]
  if redis.call('EXISTS', P .. 'mark:' .. cid) == 0 and not was_erased(P, cid)
    and redis.call('HSETNX', P .. 'snapshots', cid, ARGV[i + 1]) == 1 then
    inserted = inserted + 1
    if ARGV[i + 2] ~= '' then redis.call('ZADD', P .. 'schedule', ARGV[i + 2], cid) end
  end
end
return inserted
