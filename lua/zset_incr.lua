-- zset_incr: add to the score of a member; a missing member starts at 0
-- KEYS[1] the sorted set
-- ARGV[1] ttl in ms, 0 none
-- ARGV[2] last or first: which writes arm the ttl
-- ARGV[3] the number to add
-- ARGV[4] member
-- returns {'ok', score} | {'nan'}
-- writes KEYS[1]
-- decides
-- empty {'ok', ARGV[3]}
-- @include lib/arm
local new = made(KEYS[1], ARGV[2])
local before = redis.call('ZSCORE', KEYS[1], ARGV[4])
local sum = redis.pcall('ZINCRBY', KEYS[1], ARGV[3], ARGV[4])
if type(sum) == 'table' and sum.err then
  return (before == 'inf' or before == '-inf') and {'nan'} or sum
end
local after = redis.call('ZSCORE', KEYS[1], ARGV[4])
if after ~= before then arm(KEYS[1], ARGV[1], ARGV[2], new) end
return {'ok', after}
