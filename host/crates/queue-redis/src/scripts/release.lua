-- Gives deliveries back that nobody has seen: another may have them at once, and they do
-- not count.
-- KEYS: lane. ARGV: group, consumer, lease in milliseconds, then id and deliveries before
for i = 4, #ARGV, 2 do
  local open = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])
  if #open > 0 then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i],
      'IDLE', ARGV[3], 'RETRYCOUNT', ARGV[i + 1], 'JUSTID')
  end
end
return 1
