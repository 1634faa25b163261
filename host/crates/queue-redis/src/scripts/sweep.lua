-- Removes consumers that hold nothing and were not heard of for a while.
-- KEYS: lanes. ARGV: group, milliseconds, and the one to remove or '' for all such
local removed = 0
for _, key in ipairs(KEYS) do
  local consumers = redis.pcall('XINFO', 'CONSUMERS', key, ARGV[1])
  if not consumers.err then
    for _, consumer in ipairs(consumers) do
      local about = {}
      for i = 1, #consumer, 2 do
        about[consumer[i]] = consumer[i + 1]
      end
      if about.pending == 0 and about.idle >= tonumber(ARGV[2])
        and (ARGV[3] == '' or ARGV[3] == about.name) then
        redis.call('XGROUP', 'DELCONSUMER', key, ARGV[1], about.name)
        removed = removed + 1
      end
    end
  end
end
return removed
