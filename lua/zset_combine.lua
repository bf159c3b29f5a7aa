-- zset_combine: change a sorted set by others; its ttl stays, and is armed if a member is new or gets another score
-- KEYS[1] the sorted set that is changed
-- KEYS[2] a staging key for members that the client sends, in this script or before
-- KEYS[3] a key to build the result under
-- KEYS[4..] the other sorted sets or sets (scores of 1), the staging key among them if it counts
-- ARGV[1] ttl in ms, 0 none
-- ARGV[2] last or first: which writes arm the ttl
-- ARGV[3] union, inter, diff; copy, move replace the whole content by the other sorted set's
-- ARGV[4] sum, min or max: the score of a member that several sorted sets have
-- ARGV[5] how many members the staging key must have in the end
-- ARGV[6..] score, member, and so on: to stage here
-- returns {'ok'} | {'lost'}
-- writes KEYS[1], KEYS[2], KEYS[3]
-- replaces all when ARGV[3] is copy or move
-- empty {'ok'}
-- @include lib/arm
-- @include lib/each
local zset, staged, aside, op = KEYS[1], KEYS[2], KEYS[3], ARGV[3]
local whole = op == 'copy' or op == 'move'
local before = whole and 0 or redis.call('ZCARD', zset)
local left = whole and -1 or redis.call('PTTL', zset)
each('ZADD', staged, ARGV, 6)
if redis.call('ZCARD', staged) ~= tonumber(ARGV[5]) then
  redis.call('DEL', staged)
  return {'lost'}
end
if op == 'move' then
  aside = staged
else
  local words = whole and {aside, #KEYS - 3} or {aside, #KEYS - 2, zset}
  for i = 4, #KEYS do words[#words + 1] = KEYS[i] end
  if op ~= 'diff' then
    words[#words + 1] = 'AGGREGATE'
    words[#words + 1] = ARGV[4]
  end
  local commands = {diff = 'ZDIFFSTORE', inter = 'ZINTERSTORE'}
  local built = redis.pcall(commands[op] or 'ZUNIONSTORE', unpack(words))
  if type(built) == 'table' and built.err then
    redis.call('DEL', staged)
    return built
  end
end
local function stores()
  for from = 0, op == 'diff' and -1 or redis.call('ZCARD', aside) - 1, 1000 do
    local page = redis.call('ZRANGE', aside, from, from + 999, 'WITHSCORES')
    for i = 1, #page, 2 do
      if redis.call('ZSCORE', zset, page[i]) ~= page[i + 1] then return true end
    end
  end
  return false
end
local armed = whole or stores()
if redis.call('EXISTS', aside) == 0 then
  redis.call('DEL', zset, staged)
  return {'ok'}
end
redis.call('RENAME', aside, zset)
redis.call('DEL', staged)
redis.call('PERSIST', zset)
if left >= 0 then redis.call('PEXPIRE', zset, math.max(left, 1)) end
if armed then arm(zset, ARGV[1], whole and 'last' or ARGV[2], before == 0) end
return {'ok'}
