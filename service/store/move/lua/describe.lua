-- Describe keys of one partition, to compare them with their copies: type and number of entries; of a text its digest, of
-- a stream also its last id.
-- KEYS: the keys.
-- Reply: a text for each key
local described = {}
for i, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  local size = ''
  if kind == 'string' then size = redis.sha1hex(redis.call('GET', key))
  elseif kind == 'hash' then size = redis.call('HLEN', key)
  elseif kind == 'set' then size = redis.call('SCARD', key)
  elseif kind == 'zset' then size = redis.call('ZCARD', key)
  elseif kind == 'list' then size = redis.call('LLEN', key)
  elseif kind == 'stream' then
    local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
    size = redis.call('XLEN', key) .. ' ' .. (last and last[1] or '')
  end
  described[i] = kind .. ' ' .. size
end
return described
