-- zset_page: the elements after or before the element that was seen last, which may be gone meanwhile
-- KEYS[1] the sorted set
-- ARGV[1] the most elements that one reply may carry
-- ARGV[2] up or down
-- ARGV[3] the score of the last seen element as the server wrote it, '' to begin at the end
-- ARGV[4] the member of the last seen element
-- returns {'ok', members and scores, lowest first}
-- reads
-- empty {'ok', {}}
local key, limit, score, last = KEYS[1], tonumber(ARGV[1]), ARGV[3], ARGV[4]
local function less(a, b)
  -- By bytes, as the server sorts: Lua's own < goes by the locale.
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end
local below, there = ARGV[2] == 'up' and 0 or redis.call('ZCARD', key), 0
if score ~= '' and redis.call('ZSCORE', key, last) == score then
  below, there = redis.call('ZRANK', key, last), 1
elseif score ~= '' then
  below = redis.call('ZCOUNT', key, '-inf', '(' .. score)
  local past = below + redis.call('ZCOUNT', key, score, score)
  while below < past do
    local middle = math.floor((below + past) / 2)
    if less(redis.call('ZRANGE', key, middle, middle)[1], last) then below = middle + 1 else past = middle end
  end
end
local from, to = below + there, below + there + limit - 1
if ARGV[2] == 'down' then from, to = math.max(0, below - limit), below - 1 end
if to < from then return {'ok', {}} end
return {'ok', redis.call('ZRANGE', key, from, to, 'WITHSCORES')}
