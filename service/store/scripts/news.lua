-- Whoever stands ready in the live lane anyway needs no more of one more delivery than its id. These ids gather in
-- `news`, and are told to the mark when the customer is taken, or when they are many. That a customer is in there says
-- that it is ready, live, and has been marked since it was last taken.
local MOST_NEWS = 340 -- bytes: some 20 ids
local MOST_KEPT = 50 -- deliveries of a customer

-- The ids of a customer's last deliveries, oldest first.
local function note_deliveries(P, cid, ids, retention_s)
  local of = P .. 'of:' .. cid
  if redis.call('RPUSH', of, unpack(ids)) > MOST_KEPT + 14 then redis.call('LTRIM', of, -MOST_KEPT, -1) end
  redis.call('EXPIRE', of, retention_s)
end

local function tell_mark(P, cid, news, told, retention_s)
  local ids = {}
  for id in string.gmatch(news, '[^,]+') do ids[#ids + 1] = id end
  if #ids == 0 then return end
  note_deliveries(P, cid, ids, retention_s)
  redis.call('HSET', P .. 'mark:' .. cid, 'delivery', ids[#ids], 'upd', told or '0')
end
