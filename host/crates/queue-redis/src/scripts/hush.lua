-- Takes all that is left of bells, after nothing was found that they rang for.
-- KEYS: bells. ARGV: group, consumer
for _, bell in ipairs(KEYS) do
  while true do
    local rung = redis.pcall('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', 1000, 'STREAMS', bell, '>')
    if not rung or rung.err then
      break
    end
    local ids = {}
    for _, one in ipairs(rung[1][2]) do
      ids[#ids + 1] = one[1]
    end
    redis.call('XACK', bell, ARGV[1], unpack(ids))
    redis.call('XDEL', bell, unpack(ids))
  end
end
return 1
