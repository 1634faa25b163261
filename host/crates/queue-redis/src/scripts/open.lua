-- Makes queues known: their lanes with the group, and their names in the set. A stream
-- exists only if this made it, so whoever finds a stream finds the rest too.
-- KEYS: incarnation, names, then the high and the normal lane and the bell of each queue
-- ARGV: group, a new incarnation, the channel of new queues, then the queues' names
-- Answers the incarnation.
redis.call('SET', KEYS[1], ARGV[2], 'NX')
for i = 4, #ARGV do
  local first = 3 * (i - 4) + 3
  for k = first, first + 2 do
    local made = redis.pcall('XGROUP', 'CREATE', KEYS[k], ARGV[1], '0', 'MKSTREAM')
    if type(made) == 'table' and made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then
      return made
    end
  end
  if redis.call('SADD', KEYS[2], ARGV[i]) == 1 then
    redis.call('PUBLISH', ARGV[3], ARGV[i])
  end
end
return redis.call('GET', KEYS[1])
