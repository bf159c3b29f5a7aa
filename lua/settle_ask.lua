-- settle_ask: ask all listeners of a namespace whether they have applied what was written before
-- KEYS[1] the hash of the listeners
-- ARGV[1] channel that they hear
-- ARGV[2..] ids and values of those that have not answered for long: they are taken out, if that is still so
-- returns {'ok', round, heard, field, value, ...}
-- writes KEYS[1]
-- empty {'ok', 1, 0, 'round', '1'}
for i = 2, #ARGV - 1, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then redis.call('HDEL', KEYS[1], ARGV[i]) end
end
local round = redis.call('HINCRBY', KEYS[1], 'round', 1)
local heard = redis.call('PUBLISH', ARGV[1], round)
local reply = {'ok', round, heard}
for _, each in ipairs(redis.call('HGETALL', KEYS[1])) do reply[#reply + 1] = each end
return reply
