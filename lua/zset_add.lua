-- zset_add: store scores; the ttl is armed if a member is new or gets another score
-- KEYS[1] the sorted set
-- ARGV[1] ttl in ms, 0 none
-- ARGV[2] last or first: which writes arm the ttl
-- ARGV[3] the conditions of ZADD: nx, xx, gt, lt with blanks between them, or ''
-- ARGV[4..] score, member, and so on
-- returns {'ok', added}
-- writes KEYS[1]
-- decides when ARGV[3] has nx
-- empty {'ok', 0} when ARGV[3] has xx
-- empty {'ok', distinct ARGV[5..] by 2}
-- @include lib/arm
local new = made(KEYS[1], ARGV[2])
local before, changed = redis.call('ZCARD', KEYS[1]), 0
for from = 4, #ARGV, 7000 do
  local words = {}
  for word in string.gmatch(ARGV[3], '%a+') do words[#words + 1] = word end
  words[#words + 1] = 'CH'
  for i = from, math.min(from + 6999, #ARGV) do words[#words + 1] = ARGV[i] end
  changed = changed + redis.call('ZADD', KEYS[1], unpack(words))
end
if changed > 0 then arm(KEYS[1], ARGV[1], ARGV[2], new) end
return {'ok', redis.call('ZCARD', KEYS[1]) - before}
