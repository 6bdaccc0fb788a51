-- Close open dead letters. A drain may open another letter of the same customer at the same moment.
-- KEYS: prefix, prefix..'shop'.  ARGV: a list of customers, each with a list of causes (msgpack)
local key = KEYS[1] .. 'dead_letters'
for _, item in ipairs(cmsgpack.unpack(ARGV[1])) do
  local open = redis.call('HGET', key, item[1])
  if open then
    local letters = cjson.decode(open)
    for _, cause in ipairs(item[2]) do letters[cause] = nil end
    if next(letters) then redis.call('HSET', key, item[1], cjson.encode(letters))
    else redis.call('HDEL', key, item[1]) end
  end
end
