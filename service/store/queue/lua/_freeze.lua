-- Whether the shop is frozen: no tag is written from the first day of its freeze until the freeze is deleted.
local function is_frozen(P, now)
  local freeze = redis.call('GET', P .. 'freeze')
  return freeze and cjson.decode(freeze).from_ms <= now
end
