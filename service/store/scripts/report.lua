-- Settle one API call of a shop (loaded behind bucket.lua).
-- KEYS[1] the shop's prefix; ARGV: now in ms (0: the server's time), leak a second, permit, status, used, size, retry_ms
bucket_report(
  KEYS[1],
  bucket_now(ARGV[1]),
  tonumber(ARGV[2]),
  ARGV[3],
  tonumber(ARGV[4]),
  tonumber(ARGV[5]),
  tonumber(ARGV[6]),
  tonumber(ARGV[7])
)
return 1
