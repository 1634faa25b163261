-- Where lanes end and how far their group has come.
-- KEYS: incarnation, lanes. ARGV: group
-- Answers the incarnation, then the last id added and the last id delivered of each lane.
local function field(list, name)
  for i = 1, #list, 2 do
    if list[i] == name then
      return list[i + 1]
    end
  end
  return '0-0'
end
local out = {redis.call('GET', KEYS[1])}
for i = 2, #KEYS do
  local added, delivered = '0-0', '0-0'
  if redis.call('EXISTS', KEYS[i]) == 1 then
    added = field(redis.call('XINFO', 'STREAM', KEYS[i]), 'last-generated-id')
    for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[i])) do
      if field(group, 'name') == ARGV[1] then
        delivered = field(group, 'last-delivered-id')
      end
    end
  end
  out[#out + 1] = added
  out[#out + 1] = delivered
end
return out
