-- Adds entries to a lane that exists. Answers 0, having added nothing, when it does not.
-- KEYS: lane. ARGV: field, then the entries' values
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
for i = 2, #ARGV do
  redis.call('XADD', KEYS[1], '*', ARGV[1], ARGV[i])
end
return #ARGV - 1
