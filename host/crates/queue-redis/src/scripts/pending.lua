-- A page of what is delivered and unacknowledged in a lane.
-- KEYS: lane. ARGV: group, from which id, most entries
-- Answers the last id, or nothing, then the values.
local open = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[2], '+', ARGV[3])
if open.err or #open == 0 then
  return {false}
end
local out = {open[#open][1]}
for _, delivery in ipairs(open) do
  local entry = redis.call('XRANGE', KEYS[1], delivery[1], delivery[1])[1]
  if entry then
    out[#out + 1] = entry[2][2]
  end
end
return out
