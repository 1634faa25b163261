-- How far a tenant other than the first has come in a lane.
-- KEYS: incarnation, what is known of the lane's other tenants, the tenant's list
-- Answers the incarnation, the number of the last entry added, and that of the first that
-- waits, or nothing.
local head = redis.call('LINDEX', KEYS[3], 0)
return {
  redis.call('GET', KEYS[1]),
  redis.call('HGET', KEYS[2], 'last') or '0',
  head and string.sub(head, 13),
}
