-- Adds entries of a tenant other than the first to a lane that exists. Answers 0, having added
-- nothing, when it does not.
-- KEYS: lane, lanes with several tenants, the queue's bell
-- ARGV: the beginning of all keys, tenant, group, then the entries' values
local tag, tenant, group = ARGV[1], ARGV[2], ARGV[3]
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('EXISTS', KEYS[3]) == 0 then
  return 0
end
local rest = string.sub(KEYS[1], #tag + 1)
local list, waits = tag .. 'of:' .. tenant .. ':' .. rest, tag .. 'waits:' .. rest
local count = #ARGV - 3
local last = redis.call('HINCRBY', waits, 'last', count)
redis.call('HINCRBY', waits, 'waiting', count)
if redis.call('EXISTS', list) == 0 then
  local ring = tag .. 'turn:' .. rest
  if redis.call('SADD', KEYS[2], rest) == 1 or redis.call('EXISTS', ring) == 0 then
    redis.call('RPUSH', ring, '1')
  end
  redis.call('RPUSH', ring, tenant)
end
for i = 1, count do
  redis.call('RPUSH', list, ARGV[3 + i] .. string.format('%.0f', last - count + i))
  redis.call('XADD', KEYS[3], 'MAXLEN', 1000, '*', 'b', '1')
end
return count
