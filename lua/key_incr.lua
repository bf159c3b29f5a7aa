-- key_incr: add to the number under a key; a missing one starts at 0, floats stay floats
-- KEYS[1] the number's key
-- ARGV[1] ttl in ms, 0 none
-- ARGV[2] last or first: which writes arm the ttl
-- ARGV[3] int or float: what is added
-- ARGV[4] how much, as text
-- returns {'ok', text} | {'text'} | {'range'}
-- @include lib/arm
-- @include lib/number
local now = redis.call('GET', KEYS[1])
local kind = sum_kind(now, ARGV[3])
if not kind then return {'text'} end
local result
if kind == 'int' then
  result = redis.pcall('INCRBY', KEYS[1], ARGV[4])
  if type(result) == 'table' then
    return string.find(tostring(result.err), 'overflow') and {'range'} or result
  end
  result = redis.call('GET', KEYS[1])
else
  result = float_sum(now or '0', ARGV[4])
  if not result then return {'range'} end
  redis.call('SET', KEYS[1], result, 'KEEPTTL')
end
arm(KEYS[1], ARGV[1], ARGV[2], not now)
return {'ok', result}
