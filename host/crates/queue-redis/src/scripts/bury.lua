-- Moves a delivery to the dead letters, if it is still one.
-- KEYS: lane, dead letters. ARGV: group, id, the letter
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then
  return 0
end
redis.call('XDEL', KEYS[1], ARGV[2])
redis.call('RPUSH', KEYS[2], ARGV[3])
return 1
