-- Write the copy of a key, or delete it, while this attempt of the move is the one that may write.
-- KEYS: {pN}store, the key.
-- ARGV: token of the attempt, the key as DUMP gave it ('' if it does not exist), its remaining ms (0: no end)
-- Reply: 1 if it was done, 0 if another attempt has taken over or the move is complete
if redis.call('HGET', KEYS[1], 'arriving') ~= ARGV[1] then return 0 end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[2])
else
  redis.call('RESTORE', KEYS[2], ARGV[3], ARGV[2], 'REPLACE')
end
return 1
