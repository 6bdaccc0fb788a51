-- Let a script write although the memory is used up. The server refuses only the first write of a script, and never a
-- deletion: it cannot stop a script half-way. For what a person does to free memory, and for what must not be lost.
local function allow_all_writes(P)
  redis.call('DEL', P .. 'never_exists')
end
