-- Takes entries without waiting. Lanes come in groups, one before the next; in a group lanes
-- are served by weight, as `queue::turns` does it, in a lane first entries whose lease has
-- ended, then the tenants in turn, one entry each.
-- KEYS: incarnation, lanes with several tenants, the lanes; where leases are looked at, then
--       for each the dead letters, those of other tenants, and the bell of its queue
-- ARGV: group, consumer, most entries, number of lanes, lease in milliseconds or 0 to look
--       at no lease, most deliveries, the reason's end, number of groups; for each group its
--       number of lanes and, where that is more than one, which of them is next, from 1, what
--       is left of its visit, and their weights; with a lease, a cursor for each lane
-- Answers the incarnation, whether a lane must be made anew, the cursors, for each lane
-- whether it was emptied, the entries: lane, id, value, deliveries of each, where the lane's
-- number is negative for other tenants; and for each group of more than one lane which is next
-- and what is left of its visit.
local group, consumer, left, lanes = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local lease, most = tonumber(ARGV[5]), tonumber(ARGV[6])
-- The beginning of all keys.
local tag = string.sub(KEYS[2], 1, -6)
local incarnation = redis.call('GET', KEYS[1])
if not incarnation then
  return {false, 1, {}, {}, {}, {}}
end
local anew, cursors, emptied, entries, turns = 0, {}, {}, {}, {}
for lane = 1, lanes do
  emptied[lane] = 0
end
local gone = {}
local several = redis.call('EXISTS', KEYS[2]) == 1

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

local function lost(lane)
  gone[lane], anew, cursors[lane] = true, 1, '0-0'
end

local function beside(what, lane)
  return tag .. what .. ':' .. string.sub(KEYS[2 + lane], #tag + 1)
end

-- Before 7.0 the server leaves deliveries whose entry is deleted in the group's list.
local function forget_deleted(key)
  for _, open in ipairs(redis.call('XPENDING', key, group, '-', '+', 1000)) do
    if #redis.call('XRANGE', key, open[1], open[1]) == 0 then
      redis.call('XACK', key, group, open[1])
    end
  end
end

-- Claims deliveries of a stream whose lease has ended. Answers the cursor, or nothing where
-- the stream is gone.
local function claim(key, lane, cursor, dead, space)
  local claimed = redis.pcall('XAUTOCLAIM', key, group, consumer, lease, cursor, 'COUNT', left)
  if failed(claimed) then
    return nil
  end
  local deleted = false
  for i = 1, #claimed[2] do
    local entry = claimed[2][i]
    if entry then
      local id, value = entry[1], entry[2][2]
      local open = redis.call('XPENDING', key, group, id, id, 1)
      local deliveries = open[1][4]
      if deliveries > most then
        local reason = space .. 'delivered ' .. (deliveries - 1) .. ' times, ' .. ARGV[7]
        redis.call('RPUSH', dead, value .. reason)
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
  return claimed[1]
end

local function claim_all(lane)
  local dead = 2 + lanes + 3 * (lane - 1)
  cursors[lane] = ARGV[#ARGV - lanes + lane]
  if left > 0 then
    local cursor = claim(KEYS[2 + lane], lane, cursors[lane], KEYS[dead + 1], '')
    if cursor then
      cursors[lane] = cursor
    else
      lost(lane)
    end
  end
  -- What is open of other tenants is looked through as a whole: it is what the workers hold
  -- at the moment.
  local others, cursor, pages = beside('others', lane), '0-0', 0
  while left > 0 and cursor and pages < 100 do
    cursor, pages = claim(others, -lane, cursor, KEYS[dead + 2], ' '), pages + 1
    if cursor == '0-0' then
      break
    end
  end
  -- Without its bell, nobody is woken for other tenants.
  local rung = redis.pcall('XAUTOCLAIM', KEYS[dead + 3], group, consumer, 60000, '0-0', 'COUNT', 100, 'JUSTID')
  if failed(rung) then
    anew = 1
  elseif #rung[2] > 0 then
    redis.call('XACK', KEYS[dead + 3], group, unpack(rung[2]))
    redis.call('XDEL', KEYS[dead + 3], unpack(rung[2]))
  end
end

-- Reads entries of the first tenant.
local function fetch(lane, count)
  local fresh = redis.pcall('XREADGROUP', 'GROUP', group, consumer, 'COUNT', count, 'STREAMS', KEYS[2 + lane], '>')
  if failed(fresh) then
    lost(lane)
    return {}
  end
  return fresh and fresh[1][2] or {}
end

-- Gives entries of the first tenant; answers how many.
local function read(lane, count)
  local got = fetch(lane, count)
  for i = 1, #got do
    give(lane, got[i][1], got[i][2][2], 1)
  end
  return #got
end

-- Moves entries of the other tenants to where they are leased, and gives them and the first
-- tenant's in turn; answers how many.
local function read_in_turn(lane, count)
  local ring, waits, others = beside('turn', lane), beside('waits', lane), beside('others', lane)
  -- The first tenant's entries, and 0 in the place of each that is moved.
  local order, moved = {}, 0
  while #order < count do
    local tenant = redis.call('LPOP', ring)
    local alone = redis.call('EXISTS', ring) == 0
    if tenant == '1' and not alone then
      order[#order + 1] = fetch(lane, 1)[1]
      redis.call('RPUSH', ring, tenant)
    elseif tenant and tenant ~= '1' then
      local list = tag .. 'of:' .. tenant .. ':' .. string.sub(KEYS[2 + lane], #tag + 1)
      local value = redis.call('LPOP', list)
      if value then
        redis.call('XADD', others, '*', 'k', string.sub(value, 1, 12) .. tenant)
        order[#order + 1], moved = 0, moved + 1
      end
      if redis.call('EXISTS', list) == 1 then
        redis.call('RPUSH', ring, tenant)
      end
    else
      -- Nobody is left but the first.
      redis.call('SREM', KEYS[2], string.sub(KEYS[2 + lane], #tag + 1))
      for _, entry in ipairs(fetch(lane, count - #order)) do
        order[#order + 1] = entry
      end
      break
    end
  end
  local fresh, next_of_others = {}, 1
  if moved > 0 then
    redis.call('HINCRBY', waits, 'waiting', -moved)
    redis.pcall('XGROUP', 'CREATE', others, group, '0')
    fresh = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', moved, 'STREAMS', others, '>')[1][2]
  end
  for _, entry in ipairs(order) do
    if entry == 0 then
      entry = fresh[next_of_others]
      next_of_others = next_of_others + 1
      give(-lane, entry[1], entry[2][2], 1)
    else
      give(lane, entry[1], entry[2][2], 1)
    end
  end
  return #order
end

local function draw(lane, count)
  if gone[lane] then
    return 0
  end
  local got
  if several and redis.call('SISMEMBER', KEYS[2], string.sub(KEYS[2 + lane], #tag + 1)) == 1 then
    got = read_in_turn(lane, count)
  else
    got = read(lane, count)
  end
  if got < count and not gone[lane] then
    emptied[lane] = 1
  end
  return got
end

-- See `queue::turns`. The weights begin after an argument. Answers which lane is next, and what
-- is left of its visit.
local function share(first, count, at, credit, argument)
  local function weight(lane)
    return tonumber(ARGV[argument + 1 + lane - first])
  end
  local line = {}
  for i = 0, count - 1 do
    line[#line + 1] = first + (at - 1 + i) % count
  end
  if credit > 0 and left > 0 then
    local asked = math.min(left, credit)
    local got = draw(line[1], asked)
    if got < asked then
      table.remove(line, 1)
    elseif got < credit then
      return line[1], credit - got
    else
      local head = table.remove(line, 1)
      line[#line + 1] = head
    end
  elseif credit > 0 then
    return line[1], credit
  end
  while left > 0 and #line > 0 do
    local round = 0
    for _, lane in ipairs(line) do
      round = round + weight(lane)
    end
    local rounds, filled = math.floor(left / round), {}
    for _, lane in ipairs(line) do
      local asked = weight(lane) * rounds
      if rounds == 0 then
        asked = math.min(left, weight(lane))
      end
      if asked == 0 then
        return lane, 0
      end
      local got = draw(lane, asked)
      if got == asked then
        if rounds == 0 and asked < weight(lane) then
          return lane, weight(lane) - asked
        end
        filled[#filled + 1] = lane
      end
    end
    line = filled
  end
  return line[1] or first, 0
end

local first, argument = 1, 8
for number = 1, tonumber(ARGV[8]) do
  local count = tonumber(ARGV[argument + 1])
  argument = argument + 1
  if lease > 0 then
    for lane = first, first + count - 1 do
      claim_all(lane)
    end
  end
  if count == 1 then
    if left > 0 then
      draw(first, left)
    end
  else
    local at, credit = tonumber(ARGV[argument + 1]), tonumber(ARGV[argument + 2])
    argument = argument + 2
    local next_lane, left_of_it = first + at - 1, credit
    if left > 0 then
      next_lane, left_of_it = share(first, count, at, credit, argument)
    end
    turns[#turns + 1] = next_lane - first + 1
    turns[#turns + 1] = left_of_it
    argument = argument + count
  end
  first = first + count
end
return {incarnation, anew, cursors, emptied, entries, turns}
