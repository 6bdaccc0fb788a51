-- The holder of the shop's lease, and the process that it belongs to. A process that lives is subscribed to its channel;
-- the server ends the subscription with the connection, also if the process was killed.
local HOLDER_MS = 60000 -- longer than a drain

-- Whether somebody is subscribed to the channel; nil if the server does not say, as without the permission.
local function is_subscribed(channel)
  local reply = redis.pcall('PUBSUB', 'NUMSUB', channel)
  if reply.err then return nil end
  return reply[2] > 0
end

-- The token of the lease, or false if it is free. The lease of a process that has died is free.
local function lease_token(P)
  local token = redis.call('GET', P .. 'lease')
  local process = token and redis.call('GET', P .. 'lease_process')
  if process and is_subscribed(process) == false then
    redis.call('DEL', P .. 'lease', P .. 'lease_process')
    return false
  end
  return token
end

-- Note the process of the new holder. One that is not subscribed here cannot be seen to die: its lease ends by its expiry.
local function note_process(P, process)
  if process ~= '' and is_subscribed(process) then
    redis.call('SET', P .. 'lease_process', process, 'PX', HOLDER_MS)
  else
    redis.call('DEL', P .. 'lease_process')
  end
end
