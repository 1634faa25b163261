-- Takes dead letters off the list and enqueues them. Answers how many.
-- KEYS: dead letters, lane. ARGV: field, bytes of a value, most letters
local letters = redis.call('LPOP', KEYS[1], ARGV[3])
if not letters then
  return 0
end
for _, letter in ipairs(letters) do
  redis.call('XADD', KEYS[2], '*', ARGV[1], string.sub(letter, 1, tonumber(ARGV[2])))
end
return #letters
