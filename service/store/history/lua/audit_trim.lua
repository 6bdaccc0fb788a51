-- Removes the entries of the audit log before a moment, and keeps the hash and number of the last one as the anchor.
-- The chain can then still be verified: its first entry is chained to the anchor.
-- KEYS: the prefix of the chain, and {shop}shop. ARGV: the moment in ms, the size of a page.
-- Returns how many were removed; as many as a page: call again.
local stream, anchor = KEYS[1] .. 'audit', KEYS[1] .. 'audit_anchor'
local old = redis.call('XRANGE', stream, '-', ARGV[1] - 1, 'COUNT', ARGV[2])
if #old == 0 then return 0 end
local fields = old[#old][2]
for at = 1, #fields, 2 do
  if fields[at] ~= 'entry' then redis.call('HSET', anchor, fields[at], fields[at + 1]) end
end
for _, entry in ipairs(old) do redis.call('XDEL', stream, entry[1]) end
return #old
