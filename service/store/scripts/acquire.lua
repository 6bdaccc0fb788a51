-- Grant one API call of a shop from its bucket (loaded behind bucket.lua).
-- KEYS[1] the shop's prefix; ARGV: now in ms (0: the server's time), lane, leak a second, reserve
-- -> granted, permit, wait_ms, reason
return bucket_acquire(KEYS[1], bucket_now(ARGV[1]), ARGV[2], 3)
