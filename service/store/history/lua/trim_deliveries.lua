-- Trim the deliveries that are older than the retention.
-- KEYS: prefix, prefix..'shop'.  ARGV: the ms before which deliveries are removed
-- Parts: _deliveries.
local P = KEYS[1]
redis.call('XTRIM', P .. 'deliveries', 'MINID', ARGV[1])
trim_days(P, tonumber(ARGV[1]), 0)
