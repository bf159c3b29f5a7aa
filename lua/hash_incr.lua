-- hash_incr: add to the number in a field; a missing field starts at 0, floats stay floats
-- KEYS[1] the hash
-- ARGV[1] ttl in ms, 0 none
-- ARGV[2] last or first: which writes arm the ttl
-- ARGV[3] field
-- ARGV[4] int or float: the kind of the number to add
-- ARGV[5] the number to add, as text
-- returns {'ok', text} | {'text'} | {'range'}
-- writes KEYS[1]
-- decides
-- empty {'ok', ARGV[5]}
-- @include lib/arm
-- @include lib/number
local now = redis.call('HGET', KEYS[1], ARGV[3])
local kind = sum_kind(now, ARGV[4])
if not kind then return {'text'} end
local new = made(KEYS[1], ARGV[2])
local result
if kind == 'int' then
  result = redis.pcall('HINCRBY', KEYS[1], ARGV[3], ARGV[5])
  if type(result) == 'table' then
    return string.find(tostring(result.err), 'overflow') and {'range'} or result
  end
  result = redis.call('HGET', KEYS[1], ARGV[3])
else
  result = float_sum(now or '0', ARGV[5])
  if not result then return {'range'} end
  redis.call('HSET', KEYS[1], ARGV[3], result)
end
arm(KEYS[1], ARGV[1], ARGV[2], new)
return {'ok', result}
