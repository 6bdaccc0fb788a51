-- A page walk saw these customers to be right: keep a snapshot and a day where there is neither snapshot nor mark.
-- What the drain has written is newer than a page that was on its way meanwhile.
-- KEYS: 1 prefix.  ARGV: for each customer: id, snapshot, day ('' = none)
-- Answer: how many snapshots were new
local P = KEYS[1]
local new = 0
for i = 1, #ARGV, 3 do
  local cid = ARGV[i]
  if redis.call('EXISTS', P .. 'mark:' .. cid) == 0 and redis.call('HSETNX', P .. 'snap', cid, ARGV[i + 1]) == 1 then
    new = new + 1
    if ARGV[i + 2] ~= '' then redis.call('ZADD', P .. 'calendar', ARGV[i + 2], cid) end
  end
end
return new
