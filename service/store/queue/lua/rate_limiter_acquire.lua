-- Acquire one API call of a shop.
-- KEYS: prefix, prefix..'shop'.  ARGV: now, lane, leak (calls a second), reserve
-- Reply: {granted(0|1), permit, wait_ms, reason}
-- Parts: _time, _rate_limiter.
return rate_limit_acquire(KEYS[1], now_ms(ARGV[1]), ARGV[2], 3)
