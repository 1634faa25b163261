-- What is delivered to a consumer and unacknowledged: what it held before it was started
-- again, or what was lost on the way to it.
-- KEYS: lane, the dead letters of its queue
-- ARGV: group, consumer, after which id, most entries, most deliveries, the reason's end
-- Answers the last id looked at, or nothing at the end, and id, value, deliveries of each.
local group, consumer = ARGV[1], ARGV[2]
local read = redis.pcall('XREADGROUP', 'GROUP', group, consumer, 'COUNT', ARGV[4], 'STREAMS', KEYS[1], ARGV[3])
if not read or read.err then
  return {false, {}}
end
local last, entries = false, {}
for _, entry in ipairs(read[1][2]) do
  local id, content = entry[1], entry[2]
  last = id
  if not content or #content == 0 then
    redis.call('XACK', KEYS[1], group, id)
  else
    local deliveries = redis.call('XPENDING', KEYS[1], group, id, id, 1)[1][4]
    if deliveries > tonumber(ARGV[5]) then
      redis.call('RPUSH', KEYS[2], content[2] .. 'delivered ' .. (deliveries - 1) .. ' times, ' .. ARGV[6])
      redis.call('XACK', KEYS[1], group, id)
      redis.call('XDEL', KEYS[1], id)
    else
      entries[#entries + 1] = id
      entries[#entries + 1] = content[2]
      entries[#entries + 1] = deliveries
    end
  end
end
return {last, entries}
