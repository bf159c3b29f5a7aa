-- zset_merge: bring scores into a sorted set, by sum, minimum or maximum where a member has a score already
-- KEYS[1] the sorted set
-- ARGV[1] ttl in ms, 0 none
-- ARGV[2] last or first: which writes arm the ttl
-- ARGV[3] sum, min or max
-- ARGV[4..] score, member, and so on
-- returns {'ok'}
-- writes KEYS[1]
-- empty {'ok'}
-- @include lib/arm
local key, new, changed = KEYS[1], made(KEYS[1], ARGV[2]), false
for i = 4, #ARGV, 2 do
  local score, member = ARGV[i], ARGV[i + 1]
  local before = redis.call('ZSCORE', key, member)
  if ARGV[3] == 'sum' then
    local sum = redis.pcall('ZINCRBY', key, score, member)
    -- inf and -inf: ZUNIONSTORE calls their sum 0.
    if type(sum) == 'table' and sum.err then redis.call('ZADD', key, '0', member) end
  else
    redis.call('ZADD', key, ARGV[3] == 'min' and 'LT' or 'GT', score, member)
  end
  changed = changed or redis.call('ZSCORE', key, member) ~= before
end
if changed then arm(key, ARGV[1], ARGV[2], new) end
return {'ok'}
