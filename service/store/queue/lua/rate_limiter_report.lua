-- Report the response to one API call of a shop.
-- KEYS: prefix, prefix..'shop'.  ARGV: now, leak (calls a second), permit, status, used, size, retry_ms
-- Parts: _time, _rate_limiter.
rate_limit_report(
  KEYS[1],
  now_ms(ARGV[1]),
  tonumber(ARGV[2]),
  ARGV[3],
  tonumber(ARGV[4]),
  tonumber(ARGV[5]),
  tonumber(ARGV[6]),
  tonumber(ARGV[7])
)
return 1
