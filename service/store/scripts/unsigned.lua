-- Note refused webhooks of a shop; how many there are since the last one that was taken, of all processes together.
-- KEYS: 1 the shop's prefix.  ARGV: who notes them, how many are enough, lifetime_s, then for each its age in ms
-- A taken webhook pays nothing for this: its record says when it was.
local P = KEYS[1]
local row = P .. 'unsigned'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 4, #ARGV do
  local at = string.format('%.0f', now - tonumber(ARGV[i]))
  redis.call('ZADD', row, at, ARGV[1] .. ':' .. at .. ':' .. i)
end
local taken = redis.call('XREVRANGE', P .. 'deliveries', '+', '-', 'COUNT', 1)[1]
if taken then redis.call('ZREMRANGEBYSCORE', row, '-inf', string.match(taken[1], '^%d+')) end
redis.call('ZREMRANGEBYRANK', row, 0, -1 - tonumber(ARGV[2]))
redis.call('EXPIRE', row, ARGV[3])
return redis.call('ZCARD', row)
