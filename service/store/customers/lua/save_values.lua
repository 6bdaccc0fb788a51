-- Save values of customers that were worked out from what was stored of them before. Erased customers are skipped.
-- KEYS: prefix, prefix..'shop'.  ARGV: name of a hash, or `schedule`, where an earlier day stays; then for each customer:
--   id, value or day
-- Parts: _erased.
local P, name = KEYS[1], ARGV[1]
for i = 2, #ARGV, 2 do
  local cid, value = ARGV[i], ARGV[i + 1]
  if not was_erased(P, cid) then
    if name == 'schedule' then redis.call('ZADD', P .. name, 'LT', value, cid)
    else redis.call('HSET', P .. name, cid, value) end
  end
end
