-- set_combine: change a set by other sets; its ttl stays or is armed as if by single steps
-- KEYS[1] the set that is changed
-- KEYS[2] a staging key for members that the client sends, in this script or before
-- KEYS[3] a key for members in between
-- KEYS[4..] the other sets, the staging key among them if it counts
-- ARGV[1] ttl in ms, 0 none
-- ARGV[2] last or first: which writes arm the ttl
-- ARGV[3] union, inter, diff, xor (with one other set); copy, move replace the whole content by the other set's
-- ARGV[4] how many members the staging key must have in the end
-- ARGV[5..] members to stage here
-- returns {'ok', size before, size after} | {'lost'}
-- writes KEYS[1], KEYS[2], KEYS[3]
-- replaces all when ARGV[3] is copy or move
-- empty {'ok', 0, number ARGV[4]} when ARGV[3] is union, xor or move
-- empty {'ok', 0, 0}
-- @include lib/arm
-- @include lib/each
local set, staged, aside, op = KEYS[1], KEYS[2], KEYS[3], ARGV[3]
local whole = op == 'copy' or op == 'move'
local before = whole and 0 or redis.call('SCARD', set)
for i = 4, #KEYS do redis.call('SCARD', KEYS[i]) end
each('SADD', staged, ARGV, 5)
if redis.call('SCARD', staged) ~= tonumber(ARGV[4]) then
  redis.call('DEL', staged)
  return {'lost'}
end
local left = whole and -1 or redis.call('PTTL', set)
local function by(small, store, other)
  -- The smaller set decides the cost: a big set that a few members change is not written again.
  if redis.call('SCARD', other) < redis.call('SCARD', set) then
    each(small, set, redis.call('SMEMBERS', other), 1)
  else
    redis.call(store, set, set, other)
  end
end
local grew = whole
if op == 'copy' then redis.call('SUNIONSTORE', set, unpack(KEYS, 4)) end
if op == 'move' then redis.call('RENAME', KEYS[4], set) end
if op == 'inter' then redis.call('SINTERSTORE', set, set, unpack(KEYS, 4)) end
if op == 'xor' then grew = redis.call('SDIFFSTORE', aside, KEYS[4], set) > 0 end
for i = 4, #KEYS do
  if op == 'union' then by('SADD', 'SUNIONSTORE', KEYS[i]) end
  if op == 'diff' or op == 'xor' then by('SREM', 'SDIFFSTORE', KEYS[i]) end
end
if op == 'xor' then by('SADD', 'SUNIONSTORE', aside) end
redis.call('DEL', staged, aside)
local after = redis.call('SCARD', set)
if op == 'union' then grew = after > before end
if after > 0 then
  if whole then redis.call('PERSIST', set) end
  if left >= 0 then redis.call('PEXPIRE', set, math.max(left, 1)) end
  if grew then arm(set, ARGV[1], whole and 'last' or ARGV[2], before == 0) end
end
return {'ok', before, after}
