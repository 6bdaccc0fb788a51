-- Appends one entry to the audit log if the chain still ends with the hash that the entry was chained to.
-- KEYS: the prefix of the chain, and {shop}shop.
-- ARGV: the expected last hash, the entry, its hash. Without an entry it only reads.
-- Returns {appended, last hash, last number, ms}. A full store must not hide what people do, nor stop them.
-- Parts: _memory.
local stream, anchor = KEYS[1] .. 'audit', KEYS[1] .. 'audit_anchor'
local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
local hash, number = '', 0
if last then
  for at = 1, #last[2], 2 do
    if last[2][at] == 'hash' then hash = last[2][at + 1] end
    if last[2][at] == 'number' then number = tonumber(last[2][at + 1]) end
  end
else
  hash = redis.call('HGET', anchor, 'hash') or ''
  number = tonumber(redis.call('HGET', anchor, 'number') or 0)
end
local time = redis.call('TIME')
local ms = time[1] * 1000 + math.floor(time[2] / 1000)
if not ARGV[2] or hash ~= ARGV[1] then return {0, hash, number, ms} end
allow_all_writes(KEYS[1])
redis.call('XADD', stream, '*', 'number', number + 1, 'entry', ARGV[2], 'hash', ARGV[3])
return {1, ARGV[3], number + 1, ms}
