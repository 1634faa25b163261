-- Takes entries without waiting, the lanes in the order given, in each lane first those
-- whose lease has ended.
-- KEYS: incarnation, the lanes; where leases are looked at, then the dead letters of each
-- ARGV: group, consumer, most entries, number of lanes, lease in milliseconds or 0 to look
--       at no lease, most deliveries, the reason's end; with a lease, a cursor for each lane
-- Answers the incarnation, whether a lane must be made anew, the cursors, for each lane
-- whether it was emptied, and the entries: lane, id, value, deliveries of each.
local group, consumer, left, lanes = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local lease, most = tonumber(ARGV[5]), tonumber(ARGV[6])
local incarnation = redis.call('GET', KEYS[1])
if not incarnation then
  return {false, 1, {}, {}, {}}
end
local anew, cursors, emptied, entries = 0, {}, {}, {}

local function give(lane, id, value, deliveries)
  entries[#entries + 1] = lane
  entries[#entries + 1] = id
  entries[#entries + 1] = value
  entries[#entries + 1] = deliveries
  left = left - 1
end

local function failed(answer)
  return type(answer) == 'table' and answer.err
end

-- Before 7.0 the server leaves deliveries whose entry is deleted in the group's list.
local function forget_deleted(key)
  for _, open in ipairs(redis.call('XPENDING', key, group, '-', '+', 1000)) do
    if #redis.call('XRANGE', key, open[1], open[1]) == 0 then
      redis.call('XACK', key, group, open[1])
    end
  end
end

for lane = 1, lanes do
  local key = KEYS[1 + lane]
  local cursor, empty, there = '0-0', 0, true
  if lease > 0 then
    cursor = ARGV[7 + lane]
    if left > 0 then
      local claimed = redis.pcall('XAUTOCLAIM', key, group, consumer, lease, cursor, 'COUNT', left)
      if failed(claimed) then
        there = false
      else
        cursor = claimed[1]
        local deleted = false
        for i = 1, #claimed[2] do
          local entry = claimed[2][i]
          if entry then
            local id, value = entry[1], entry[2][2]
            local open = redis.call('XPENDING', key, group, id, id, 1)
            local deliveries = open[1][4]
            if deliveries > most then
              local reason = 'delivered ' .. (deliveries - 1) .. ' times, ' .. ARGV[7]
              redis.call('RPUSH', KEYS[1 + lanes + lane], value .. reason)
              redis.call('XACK', key, group, id)
              redis.call('XDEL', key, id)
            else
              give(lane, id, value, deliveries)
            end
          else
            deleted = true
          end
        end
        if deleted then
          forget_deleted(key)
        end
      end
    end
  end
  if there and left > 0 then
    local asked = left
    local fresh = redis.pcall('XREADGROUP', 'GROUP', group, consumer, 'COUNT', asked, 'STREAMS', key, '>')
    if failed(fresh) then
      there = false
    elseif not fresh then
      empty = 1
    else
      local got = fresh[1][2]
      for i = 1, #got do
        give(lane, got[i][1], got[i][2][2], 1)
      end
      if #got < asked then
        empty = 1
      end
    end
  end
  if not there then
    anew, cursor = 1, '0-0'
  end
  cursors[lane], emptied[lane] = cursor, empty
end
return {incarnation, anew, cursors, emptied, entries}
